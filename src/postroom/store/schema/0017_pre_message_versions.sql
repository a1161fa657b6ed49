-- What a message said before it was edited, sealed like the message itself.

CREATE TABLE message_versions (
    message_id      TEXT    NOT NULL,
    version         INTEGER NOT NULL,       -- the message's version at which it still said this
    at_us           INTEGER NOT NULL,       -- when it was replaced
    editor          TEXT    NOT NULL,       -- by whom
    recipient       TEXT    NOT NULL,
    subject         TEXT,
    content         TEXT    NOT NULL,
    html            TEXT,
    content_sha256  TEXT,
    PRIMARY KEY (message_id, version)
) WITHOUT ROWID;

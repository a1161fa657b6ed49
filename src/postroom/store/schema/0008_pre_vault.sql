-- The data key of each message, wrapped by a master key. Without its row what the message said cannot be read again.

CREATE TABLE message_keys (
    message_id      TEXT    PRIMARY KEY,
    key_id          TEXT    NOT NULL,           -- of the master key that wraps it
    wrapped         BLOB    NOT NULL
) WITHOUT ROWID;

CREATE INDEX message_keys_key ON message_keys (key_id);

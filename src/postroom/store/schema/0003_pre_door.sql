-- What the door keeps: how often somebody came, and answers that may have to be given again.

CREATE TABLE rate_counts (
    key             TEXT    NOT NULL,           -- class of path, and a digest of who
    window_us       INTEGER NOT NULL,           -- when the window began
    count           INTEGER NOT NULL,
    PRIMARY KEY (key, window_us)
) WITHOUT ROWID;

CREATE INDEX rate_counts_old ON rate_counts (window_us);

CREATE TABLE idempotency_keys (
    key             TEXT    PRIMARY KEY,        -- a digest of who and their key
    request_sha256  TEXT    NOT NULL,
    claimed_us      INTEGER NOT NULL,
    status          INTEGER,                    -- NULL: it is being answered
    headers         TEXT,
    body            BLOB
) WITHOUT ROWID;

CREATE INDEX idempotency_keys_old ON idempotency_keys (claimed_us);

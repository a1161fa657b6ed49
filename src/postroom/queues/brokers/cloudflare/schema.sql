CREATE TABLE IF NOT EXISTS postroom_cloudflare_outbox (
    seq                 INTEGER PRIMARY KEY,
    account_id          TEXT    NOT NULL,
    queue               TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    body                BLOB    NOT NULL,
    content_type        TEXT    NOT NULL,
    priority            INTEGER NOT NULL,
    sent_us             INTEGER NOT NULL,
    meta                BLOB,
    attempts            INTEGER NOT NULL DEFAULT 0,
    available_us        INTEGER,                -- when it is to be delivered; NULL: as the queue says
    release_us          INTEGER NOT NULL        -- when it may go to the service
);
CREATE INDEX IF NOT EXISTS postroom_cloudflare_outbox_due ON postroom_cloudflare_outbox (account_id, release_us);
CREATE TABLE IF NOT EXISTS postroom_cloudflare_known (
    account_id          TEXT    NOT NULL,
    queue               TEXT    NOT NULL,
    deduplication_id    TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    until_us            INTEGER NOT NULL,
    PRIMARY KEY (account_id, queue, deduplication_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS postroom_cloudflare_windows (
    account_id          TEXT    NOT NULL,
    queue               TEXT    NOT NULL,
    window_us           INTEGER NOT NULL,
    PRIMARY KEY (account_id, queue)
) WITHOUT ROWID

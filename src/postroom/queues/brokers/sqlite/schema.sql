-- The queue's tables. Moments are microseconds since 1970 UTC.
-- Version 1. Later changes come as numbered files that old code survives.

CREATE TABLE IF NOT EXISTS postroom_queues (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    name               TEXT    NOT NULL UNIQUE,
    created_us         INTEGER NOT NULL,
    options            TEXT    NOT NULL,            -- QueueOptions as JSON
    paused             INTEGER NOT NULL DEFAULT 0,
    -- Kept by the statements that change them, so that metrics never count rows.
    backlog_count      INTEGER NOT NULL DEFAULT 0,
    backlog_bytes      INTEGER NOT NULL DEFAULT 0,
    in_flight          INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS postroom_messages (
    seq                INTEGER PRIMARY KEY,         -- order of arrival
    queue_id           INTEGER NOT NULL,
    id                 TEXT    NOT NULL,
    priority           INTEGER NOT NULL,            -- 0 high, 1 normal, 2 low
    due_us             INTEGER NOT NULL,            -- when it may be leased: end of its delay or of its lease
    sent_us            INTEGER NOT NULL,            -- the message's timestamp
    enqueued_us        INTEGER NOT NULL,            -- when its age for retention began
    attempts           INTEGER NOT NULL DEFAULT 0,
    lease              INTEGER NOT NULL DEFAULT 0,  -- token of the lease; 0: none
    content_type       TEXT    NOT NULL,
    body               BLOB    NOT NULL,
    meta               BLOB
);

-- The only index: a lease is three short scans of it, one a priority.
CREATE INDEX IF NOT EXISTS postroom_messages_due ON postroom_messages (queue_id, priority, due_us);

CREATE TABLE IF NOT EXISTS postroom_deduplication (
    queue_id           INTEGER NOT NULL,
    key                TEXT    NOT NULL,
    message_id         TEXT    NOT NULL,
    expires_us         INTEGER NOT NULL,
    PRIMARY KEY (queue_id, key)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS postroom_deduplication_expires ON postroom_deduplication (expires_us);

CREATE TABLE IF NOT EXISTS postroom_schema (
    component          TEXT    PRIMARY KEY,
    version            INTEGER NOT NULL
) WITHOUT ROWID;

INSERT OR IGNORE INTO postroom_schema (component, version) VALUES ('queues', 1);

-- What Cloudflare's API knows of queues and Postroom's own tables do not. A queue's id is made of its name and birth.

CREATE TABLE cloudflare_queues (
    queue_id            TEXT    PRIMARY KEY,
    modified_us         INTEGER NOT NULL,
    purge_started_us    INTEGER,
    purge_ended_us      INTEGER
) WITHOUT ROWID;

-- Who consumes a queue, where the API has said so; a queue without a row has the consumer of the code.
CREATE TABLE cloudflare_consumers (
    queue_id            TEXT    PRIMARY KEY,
    consumer_id         TEXT    NOT NULL UNIQUE,
    kind                TEXT    NOT NULL CHECK (kind IN ('worker', 'http_pull', 'none')),
    environment         TEXT    NOT NULL DEFAULT '',
    settings            TEXT    NOT NULL,           -- JSON: the consumer's options by wrangler's names
    created_us          INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE event_subscriptions (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    name                TEXT    NOT NULL,
    enabled             INTEGER NOT NULL,
    source              TEXT    NOT NULL,
    queue_id            TEXT    NOT NULL,
    queue               TEXT    NOT NULL,
    events              TEXT    NOT NULL,           -- JSON array of names
    created_us          INTEGER NOT NULL,
    modified_us         INTEGER NOT NULL
);

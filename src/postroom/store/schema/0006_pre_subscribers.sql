-- Who is told of what happens to messages.

CREATE TABLE subscriptions (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    url             TEXT    NOT NULL,
    states          TEXT    NOT NULL,           -- JSON array of states that are told of; empty: all
    secret          TEXT    NOT NULL,           -- sealed when a key is configured
    active          INTEGER NOT NULL DEFAULT 1,
    created_us      INTEGER NOT NULL,
    code            TEXT,                       -- of the last attempt
    succeeded_us    INTEGER,
    failed_us       INTEGER
);

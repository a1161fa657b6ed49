-- Schedules and their next fire; whoever moves `next_us` on has fired.

CREATE TABLE schedules (
    name        TEXT    PRIMARY KEY,
    cron        TEXT    NOT NULL,
    zone        TEXT    NOT NULL,
    next_us     INTEGER NOT NULL,
    due_us      INTEGER,                    -- of the last fire: when it should have been
    fired_us    INTEGER,                    -- and when it was
    job_ids     TEXT,                       -- JSON array: what it enqueued
    skipped     INTEGER NOT NULL DEFAULT 0, -- fires that were missed and not made up for
    paused      INTEGER NOT NULL DEFAULT 0,
    declared    INTEGER NOT NULL DEFAULT 1  -- whether the settings still have it
) WITHOUT ROWID;

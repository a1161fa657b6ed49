-- How the work goes, minute by minute; who does it; and what was wrong when.

CREATE TABLE metric_minutes (
    minute_us   INTEGER NOT NULL,
    queue       TEXT    NOT NULL,
    span_us     INTEGER NOT NULL,           -- 60 s, or a day once it is rolled up
    done        INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    waits       TEXT    NOT NULL,           -- JSON: bucket to count; see workers/monitoring/histogram.py
    runs        TEXT    NOT NULL,
    PRIMARY KEY (span_us, minute_us, queue)
) WITHOUT ROWID;

CREATE TABLE workers (
    id          TEXT    PRIMARY KEY,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    version     TEXT    NOT NULL,
    queues      TEXT    NOT NULL,           -- JSON array of those it consumes
    started_us  INTEGER NOT NULL,
    seen_us     INTEGER NOT NULL,
    running     INTEGER NOT NULL            -- jobs in its hands
) WITHOUT ROWID;

CREATE TABLE incidents (
    seq         INTEGER PRIMARY KEY,
    rule        TEXT    NOT NULL,
    subject     TEXT    NOT NULL,           -- a queue, a schedule, or the disk
    value       REAL    NOT NULL,
    threshold   REAL    NOT NULL,
    opened_us   INTEGER NOT NULL,
    calm        INTEGER NOT NULL DEFAULT 0, -- looks in a row that found nothing
    closed_us   INTEGER
);

CREATE UNIQUE INDEX incidents_open ON incidents (rule, subject) WHERE closed_us IS NULL;

-- Who looks after the alerts just now: one process at a time.
CREATE TABLE turns (
    name        TEXT    PRIMARY KEY,
    at_us       INTEGER NOT NULL
) WITHOUT ROWID;

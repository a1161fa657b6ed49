-- What operators hold, bring back and delete; and failures by what they have in common.

CREATE TABLE queue_holds (
    queue       TEXT    PRIMARY KEY,
    kind        TEXT    NOT NULL,           -- pause: delivers nothing; drain: takes nothing new
    reason      TEXT,
    actor       TEXT    NOT NULL,
    since_us    INTEGER NOT NULL,
    until_us    INTEGER                     -- NULL: until somebody ends it
) WITHOUT ROWID;

-- A redrive or a deletion of dead letters, as far as it has come; whoever holds it carries it on.
CREATE TABLE redrives (
    seq         INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    queue       TEXT    NOT NULL,           -- the dead-letter queue
    action      TEXT    NOT NULL,           -- redrive or discard
    target      TEXT,                       -- NULL: each to the queue it failed on
    filter      TEXT    NOT NULL,           -- JSON
    rate        REAL,                       -- messages a second; NULL: as fast as the store goes
    state       TEXT    NOT NULL,           -- running, stopped, done or failed
    expected    INTEGER NOT NULL,           -- that matched when it was asked for
    matched     INTEGER NOT NULL DEFAULT 0,
    moved       INTEGER NOT NULL DEFAULT 0,
    unroutable  INTEGER NOT NULL DEFAULT 0,
    after       TEXT    NOT NULL DEFAULT 'null',    -- JSON: the key of the last message that was looked at
    pending     TEXT,                       -- JSON: the page that is being moved; NULL: none
    problem     TEXT,
    actor       TEXT    NOT NULL,
    created_us  INTEGER NOT NULL,
    changed_us  INTEGER NOT NULL,
    ended_us    INTEGER,
    holder      TEXT,
    held_us     INTEGER NOT NULL DEFAULT 0  -- until when the holder has it
);

CREATE INDEX redrives_running ON redrives (seq) WHERE state = 'running';

ALTER TABLE jobs ADD COLUMN fingerprint TEXT;           -- of what failed it for good; see jobs/fingerprint.py

CREATE INDEX jobs_fingerprint ON jobs (fingerprint, seq) WHERE fingerprint IS NOT NULL;

-- Failures for good that have type, code and reason in common, whatever became of them since.
CREATE TABLE failures (
    fingerprint     TEXT    PRIMARY KEY,
    type            TEXT    NOT NULL,
    code            TEXT,
    reason          TEXT,                   -- of the last; never a recipient or content
    count           INTEGER NOT NULL,
    first_us        INTEGER NOT NULL,
    last_us         INTEGER NOT NULL,
    first_version   TEXT    NOT NULL,       -- of Postroom, when it was first seen
    last_version    TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX failures_last ON failures (last_us);

CREATE TABLE failure_hours (
    fingerprint     TEXT    NOT NULL,
    hour_us         INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, hour_us)
) WITHOUT ROWID;

CREATE INDEX failure_hours_old ON failure_hours (hour_us);

-- What came in, and how full it was: the highest of each minute.
ALTER TABLE metric_minutes ADD COLUMN entered INTEGER NOT NULL DEFAULT 0;

ALTER TABLE metric_minutes ADD COLUMN backlog INTEGER;

ALTER TABLE metric_minutes ADD COLUMN in_flight INTEGER;

ALTER TABLE metric_minutes ADD COLUMN oldest_us INTEGER;         -- the age of the oldest message that was due

-- Workers tell what they do, and can be asked to stop.
ALTER TABLE workers ADD COLUMN slots INTEGER;

ALTER TABLE workers ADD COLUMN work TEXT NOT NULL DEFAULT '[]';  -- JSON: the jobs in its hands, oldest first

ALTER TABLE workers ADD COLUMN memory_bytes INTEGER;

ALTER TABLE workers ADD COLUMN leases_lost INTEGER NOT NULL DEFAULT 0;

ALTER TABLE workers ADD COLUMN stop_by TEXT;                     -- who asked it to stop

-- When a version was first seen at work: marks in the charts.
CREATE TABLE deploys (
    at_us       INTEGER PRIMARY KEY,
    version     TEXT    NOT NULL
);

-- Rules of alerts that were set here rather than in the settings; and rules that are silent for now.
CREATE TABLE alert_rules (
    rule        TEXT    PRIMARY KEY,
    threshold   REAL,                       -- NULL: as the settings have it
    silent_us   INTEGER,                    -- nobody is told until then
    actor       TEXT    NOT NULL,
    changed_us  INTEGER NOT NULL
) WITHOUT ROWID;

-- Where to find a job's trace, and who made each attempt.
ALTER TABLE jobs ADD COLUMN trace_id TEXT;

ALTER TABLE attempts ADD COLUMN worker TEXT;                    -- host/pid

CREATE INDEX webhook_inbox_problems ON webhook_inbox (seq) WHERE problem IS NOT NULL;

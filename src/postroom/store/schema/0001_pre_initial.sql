-- Moments are microseconds since 1970 UTC.

CREATE TABLE jobs (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,    -- the queue message's id
    type            TEXT    NOT NULL,
    queue           TEXT    NOT NULL,
    reference       TEXT,                       -- messageId or exportId
    priority        TEXT    NOT NULL,
    status          TEXT    NOT NULL,           -- messages/states.py has the table of them
    attempts        INTEGER NOT NULL DEFAULT 0,
    max_attempts    INTEGER NOT NULL,
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL,
    send_at_us      INTEGER,                    -- asked for by the caller: not before this moment
    next_us         INTEGER,                    -- when it is tried again
    finished_us     INTEGER,
    code            TEXT,
    reason          TEXT                        -- of the last failure; never a recipient or content
);

CREATE INDEX jobs_status ON jobs (status);

CREATE TABLE messages (
    id              TEXT    PRIMARY KEY,        -- the caller's messageId
    channel         TEXT    NOT NULL,           -- email or sms
    recipient       TEXT    NOT NULL,
    subject         TEXT,
    content         TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    job_id          TEXT    NOT NULL,           -- the job that is sending it, or did
    provider        TEXT,
    provider_id     TEXT,
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX messages_updated ON messages (updated_us);

CREATE TABLE attempts (
    job_id          TEXT    NOT NULL,
    number          INTEGER NOT NULL,
    started_us      INTEGER NOT NULL,
    finished_us     INTEGER,                    -- NULL: it is going on, or its outcome is unknown
    outcome         TEXT,                       -- done, retry, failed or unknown
    provider        TEXT,
    code            TEXT,
    reason          TEXT,
    PRIMARY KEY (job_id, number)
) WITHOUT ROWID;

CREATE TABLE exports (
    id              TEXT    PRIMARY KEY,        -- the caller's exportId
    job_id          TEXT    NOT NULL,
    user_id         TEXT    NOT NULL,
    format          TEXT    NOT NULL,
    status          TEXT    NOT NULL,
    file            TEXT,
    rows            INTEGER,
    bytes           INTEGER,
    sha256          TEXT,
    created_us      INTEGER NOT NULL,
    finished_us     INTEGER,
    expires_us      INTEGER                     -- when the file may be cleaned up
) WITHOUT ROWID;

CREATE TABLE audit_log (
    seq             INTEGER PRIMARY KEY,
    at_us           INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    object_type     TEXT    NOT NULL,
    object_id       TEXT    NOT NULL,
    details         TEXT    NOT NULL            -- JSON; counts and ids only
);

-- Append-only: entries leave only through the retention job, which says so by naming itself in this table.
CREATE TABLE audit_guard (open INTEGER NOT NULL);

-- sqlite:
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;

-- sqlite:
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log WHEN NOT EXISTS (SELECT 1 FROM audit_guard)
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;

-- postgresql:
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'raise_exception'; END $$;

-- postgresql:
CREATE FUNCTION refuse_unguarded() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NOT EXISTS (SELECT 1 FROM postroom.audit_guard) THEN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'raise_exception'; END IF; RETURN OLD; END $$;

-- postgresql:
CREATE TRIGGER audit_log_no_update BEFORE UPDATE OR TRUNCATE ON audit_log EXECUTE FUNCTION refuse_change('the audit log is append-only');

-- postgresql:
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_unguarded('the audit log is append-only');

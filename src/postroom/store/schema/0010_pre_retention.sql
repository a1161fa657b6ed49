-- What has been archived, and what must not be deleted.

CREATE TABLE archives (
    name            TEXT    PRIMARY KEY,        -- of the file, without its suffix
    target          TEXT    NOT NULL,
    state           TEXT    NOT NULL,           -- writing, verified (its rows are being deleted), done, restored
    job_id          TEXT    NOT NULL,           -- the cleanup that made it
    rows            INTEGER NOT NULL DEFAULT 0,
    bytes           INTEGER NOT NULL DEFAULT 0,
    sha256          TEXT,                       -- of the lines before compression
    first_seq       INTEGER,
    last_seq        INTEGER,
    first_us        INTEGER,
    last_us         INTEGER,
    deleted         INTEGER NOT NULL DEFAULT 0,
    created_us      INTEGER NOT NULL,
    touched_us      INTEGER NOT NULL            -- when its cleanup was last heard of
) WITHOUT ROWID;

CREATE INDEX archives_target ON archives (target, created_us);

-- Legal holds: what they name is exempt from every cleanup until they are lifted.
CREATE TABLE legal_holds (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    kind            TEXT    NOT NULL,           -- message, job, recipient or user
    value           TEXT    NOT NULL,           -- an id, a name; of a recipient the blind index
    reason          TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    created_us      INTEGER NOT NULL,
    lifted_us       INTEGER,
    lifted_by       TEXT
);

CREATE INDEX legal_holds_standing ON legal_holds (kind, value) WHERE lifted_us IS NULL;

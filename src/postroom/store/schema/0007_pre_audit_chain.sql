-- Each entry is chained to the one before it by a keyed hash. Entries from before have none: the chain begins after them.

ALTER TABLE audit_log ADD COLUMN actor_role TEXT;

ALTER TABLE audit_log ADD COLUMN address TEXT;          -- a keyed hash of where the request came from

ALTER TABLE audit_log ADD COLUMN request_id TEXT;

ALTER TABLE audit_log ADD COLUMN before_sha256 TEXT;

ALTER TABLE audit_log ADD COLUMN after_sha256 TEXT;

ALTER TABLE audit_log ADD COLUMN key_id TEXT;           -- of the key that the hash was made with

ALTER TABLE audit_log ADD COLUMN hash TEXT;             -- HMAC-SHA256 over the hash before and the entry

CREATE INDEX audit_log_object ON audit_log (object_type, object_id, seq);

CREATE INDEX audit_log_actor ON audit_log (actor, seq);

-- What stands for entries that have been archived and deleted, and proves how far the trail had come.
CREATE TABLE audit_anchors (
    seq             INTEGER PRIMARY KEY,                -- of the last entry that it stands for
    first_seq       INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    hash            TEXT    NOT NULL,                   -- that entry's
    kind            TEXT    NOT NULL,                   -- archived: those entries are gone; witness: they are here
    at_us           INTEGER NOT NULL,
    seal            TEXT    NOT NULL,                   -- HMAC over all of this
    key_id          TEXT    NOT NULL
);

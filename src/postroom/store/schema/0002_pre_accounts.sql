-- People and what they get in with. Secrets are stored as digests only.

CREATE TABLE users (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL UNIQUE,    -- what one signs in with, case-folded
    display_name    TEXT    NOT NULL,
    email           TEXT    UNIQUE,
    roles           TEXT    NOT NULL,           -- JSON array
    password_hash   TEXT,                       -- argon2id; NULL: no local password
    disabled        INTEGER NOT NULL DEFAULT 0,
    created_us      INTEGER NOT NULL,
    updated_us      INTEGER NOT NULL
);

CREATE TABLE api_tokens (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    digest          TEXT    NOT NULL UNIQUE,    -- SHA-256 of the token
    start           TEXT    NOT NULL,           -- its first characters, to recognise it by
    user_id         TEXT    NOT NULL,
    label           TEXT    NOT NULL,
    scopes          TEXT,                       -- JSON array of permissions; NULL: all of the owner's
    created_us      INTEGER NOT NULL,
    expires_us      INTEGER NOT NULL,
    used_us         INTEGER,                    -- about when it was last used
    revoked_us      INTEGER
);

CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE sessions (
    digest          TEXT    PRIMARY KEY,        -- SHA-256 of the cookie
    user_id         TEXT    NOT NULL,
    csrf            TEXT    NOT NULL,
    created_us      INTEGER NOT NULL,
    seen_us         INTEGER NOT NULL,
    ends_us         INTEGER NOT NULL            -- however often it is used
) WITHOUT ROWID;

CREATE INDEX sessions_user ON sessions (user_id);

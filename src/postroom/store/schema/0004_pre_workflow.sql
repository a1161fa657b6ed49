-- Messages gain an author, a review, a plan and a proof of delivery; calls to providers get rows of their own.
-- The table is made anew because a draft has no job yet.

CREATE TABLE messages_with_workflow (
    seq                 INTEGER PRIMARY KEY,        -- pages go by it
    id                  TEXT    NOT NULL UNIQUE,    -- the caller's messageId, or one of ours
    channel             TEXT    NOT NULL,           -- email, sms or portal
    recipient           TEXT    NOT NULL,           -- sealed when a key is configured, as are subject, content, html
    recipient_key       TEXT,                       -- blind index of the recipient
    subject             TEXT,
    content             TEXT    NOT NULL,
    html                TEXT,
    status              TEXT    NOT NULL,           -- messages/states.py has the table of them
    version             INTEGER NOT NULL DEFAULT 1, -- counts every change; the ETag
    priority            TEXT    NOT NULL DEFAULT 'normal',
    author              TEXT,                       -- who wrote it; NULL: enqueued by a program
    topic               TEXT,                       -- what one can unsubscribe from; NULL: nothing
    health_data         INTEGER NOT NULL DEFAULT 1, -- only providers that may carry it get it
    policy              TEXT,                       -- at_most_once or at_least_once; NULL: the setting
    template            TEXT,
    template_version    INTEGER,
    zone                TEXT,                       -- the recipient's time zone
    send_at_us          INTEGER,                    -- not before
    expires_us          INTEGER,                    -- not after
    content_sha256      TEXT,                       -- of the rendered content and the recipient
    submitted_us        INTEGER,
    review_note         TEXT,                       -- sealed too
    approved_by         TEXT,
    approved_us         INTEGER,
    approved_sha256     TEXT,
    approval_ends_us    INTEGER,
    generation          INTEGER NOT NULL DEFAULT 1, -- counts a person's decisions to send it
    job_id              TEXT,                       -- the job that is sending it, or did
    provider            TEXT,
    provider_id         TEXT,
    code                TEXT,
    reason              TEXT,                       -- never a recipient or content
    possible_duplicate  INTEGER NOT NULL DEFAULT 0,
    complained          INTEGER NOT NULL DEFAULT 0,
    opened              INTEGER NOT NULL DEFAULT 0,
    created_us          INTEGER NOT NULL,
    updated_us          INTEGER NOT NULL,
    sent_us             INTEGER,
    delivered_us        INTEGER
);

INSERT INTO messages_with_workflow
    (id, channel, recipient, subject, content, status, job_id, provider, provider_id, created_us, updated_us)
SELECT id, channel, recipient, subject, content, status, job_id, provider, provider_id, created_us, updated_us
FROM messages ORDER BY created_us, id;

DROP TABLE messages;

ALTER TABLE messages_with_workflow RENAME TO messages;

CREATE INDEX messages_updated ON messages (updated_us);

CREATE INDEX messages_status ON messages (status, seq);

CREATE INDEX messages_author ON messages (author, seq) WHERE author IS NOT NULL;

CREATE INDEX messages_recipient ON messages (recipient_key, seq) WHERE recipient_key IS NOT NULL;

CREATE INDEX messages_review ON messages (submitted_us) WHERE status = 'pending_review';

CREATE INDEX messages_unproven ON messages (sent_us) WHERE status = 'sent';

-- One call to a provider. The row is on disk before the call is made.
CREATE TABLE deliveries (
    id                  TEXT    PRIMARY KEY,        -- the correlation token
    message_id          TEXT    NOT NULL,
    job_id              TEXT    NOT NULL,
    job_attempt         INTEGER NOT NULL,
    generation          INTEGER NOT NULL,
    provider            TEXT    NOT NULL,           -- the route's name
    state               TEXT    NOT NULL,           -- delivery/states: claimed, queued, sent, ... by rank
    rank                INTEGER NOT NULL,           -- a state never goes to a lower one
    verdict             TEXT,                       -- NULL: the call is going on, or its worker died
    code                TEXT,
    detail              TEXT,
    provider_id         TEXT,                       -- what the provider calls it
    request_sha256      TEXT    NOT NULL,
    idempotency_key     TEXT    NOT NULL,
    possible_duplicate  INTEGER NOT NULL DEFAULT 0,
    claimed_us          INTEGER NOT NULL,
    ended_us            INTEGER,
    updated_us          INTEGER NOT NULL,
    looked_up_us        INTEGER                     -- when the provider was last asked about it
) WITHOUT ROWID;

CREATE INDEX deliveries_message ON deliveries (message_id, claimed_us);

CREATE INDEX deliveries_provider ON deliveries (provider_id) WHERE provider_id IS NOT NULL;

-- What happened to a message, in order: the timeline of one, and the live feed of all.
CREATE TABLE message_events (
    seq                 INTEGER PRIMARY KEY,
    message_id          TEXT    NOT NULL,
    at_us               INTEGER NOT NULL,
    kind                TEXT    NOT NULL,           -- created, edited, moved, refused, claimed, concluded, reported, viewed
    before              TEXT,
    after               TEXT,
    actor               TEXT    NOT NULL,
    delivery_id         TEXT,
    provider            TEXT,
    code                TEXT,
    reason              TEXT,
    details             TEXT    NOT NULL DEFAULT '{}'
);

-- An event gets its number after its transaction has its own, which readers of the feed rely on; see message_events_after.
-- postgresql:
ALTER TABLE message_events ALTER COLUMN seq DROP IDENTITY;

-- postgresql:
CREATE SEQUENCE message_events_numbers OWNED BY message_events.seq;

-- postgresql:
ALTER TABLE message_events ALTER COLUMN seq SET DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('postroom.message_events_numbers') END;

CREATE INDEX message_events_message ON message_events (message_id, seq);

-- What providers told us, before it is understood: stored raw, then processed through the queue.
CREATE TABLE webhook_inbox (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    receiver            TEXT    NOT NULL,           -- twilio, sendgrid, ...
    received_us         INTEGER NOT NULL,
    method              TEXT    NOT NULL,
    url                 TEXT    NOT NULL,
    headers             TEXT    NOT NULL,           -- JSON; those that the receiver reads
    body                BLOB    NOT NULL,           -- sealed when a key is configured
    processed_us        INTEGER,
    problem             TEXT
);

CREATE INDEX webhook_inbox_waiting ON webhook_inbox (seq) WHERE processed_us IS NULL;

CREATE TABLE provider_events (
    seq                 INTEGER PRIMARY KEY,
    receiver            TEXT    NOT NULL,
    event_id            TEXT    NOT NULL,
    kind                TEXT    NOT NULL,
    at_us               INTEGER,
    received_us         INTEGER NOT NULL,
    delivery_id         TEXT,                       -- NULL: nothing of ours is known to match (yet)
    attempt_id          TEXT,                       -- the token that came back
    provider_id         TEXT,
    rfc_message_id      TEXT,
    code                TEXT,
    bounce              TEXT,
    suppress            INTEGER NOT NULL DEFAULT 0,
    applied             INTEGER NOT NULL DEFAULT 0, -- whether it moved a state
    UNIQUE (receiver, event_id)
);

CREATE INDEX provider_events_orphans ON provider_events (received_us) WHERE delivery_id IS NULL;

CREATE INDEX provider_events_delivery ON provider_events (delivery_id) WHERE delivery_id IS NOT NULL;

-- What all workers know of a provider: its circuit and what is left of its budget.
CREATE TABLE provider_health (
    provider            TEXT    PRIMARY KEY,        -- the route's name
    circuit             TEXT    NOT NULL,           -- closed, open or half_open
    failures            INTEGER NOT NULL,           -- in a row
    opened_us           INTEGER,
    opens               INTEGER NOT NULL DEFAULT 0, -- times in a row that it opened
    trial_us            INTEGER,                    -- when the one trial call of a half-open circuit was let through
    tokens              REAL    NOT NULL,           -- what the token bucket held at `filled_us`
    filled_us           INTEGER NOT NULL,
    code                TEXT,                       -- of the last failure
    succeeded_us        INTEGER,
    failed_us           INTEGER
) WITHOUT ROWID;

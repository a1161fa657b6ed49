-- What people wish, and the texts that they are sent.

CREATE TABLE templates (
    seq                 INTEGER PRIMARY KEY,        -- pages go by it
    id                  TEXT    NOT NULL UNIQUE,
    channel             TEXT    NOT NULL,           -- email, sms or portal; the same in every version
    version             INTEGER NOT NULL,           -- the published one; the ETag
    archived            INTEGER NOT NULL DEFAULT 0,
    created_us          INTEGER NOT NULL,
    updated_us          INTEGER NOT NULL
);

-- What a template says. A version is never changed: a message names the one that it was rendered from.
CREATE TABLE template_versions (
    template            TEXT    NOT NULL,
    version             INTEGER NOT NULL,
    subject             TEXT,
    content             TEXT    NOT NULL,
    html                TEXT,
    variables           TEXT    NOT NULL,           -- JSON array of declarations
    topic               TEXT,                       -- what one can unsubscribe from; NULL: nothing
    policy              TEXT,                       -- at_most_once or at_least_once; NULL: the setting
    health_data         INTEGER NOT NULL,
    wait_seconds        REAL,                       -- for news of a call in doubt; NULL: as the provider needs
    sender              TEXT,
    sha256              TEXT    NOT NULL,           -- of all of this
    author              TEXT    NOT NULL,
    at_us               INTEGER NOT NULL,
    PRIMARY KEY (template, version)
) WITHOUT ROWID;

-- sqlite:
CREATE TRIGGER template_versions_stay BEFORE UPDATE ON template_versions
BEGIN
    SELECT RAISE(ABORT, 'a version of a template is never changed');
END;

-- postgresql:
CREATE TRIGGER template_versions_stay BEFORE UPDATE ON template_versions EXECUTE FUNCTION refuse_change('a version of a template is never changed');

-- sqlite:
CREATE TRIGGER template_versions_remain BEFORE DELETE ON template_versions
BEGIN
    SELECT RAISE(ABORT, 'a version of a template is never deleted');
END;

-- postgresql:
CREATE TRIGGER template_versions_remain BEFORE DELETE OR TRUNCATE ON template_versions EXECUTE FUNCTION refuse_change('a version of a template is never deleted');

-- Who wants what: the last entry of an address, channel and topic says how it stands. Nothing is changed or deleted.
CREATE TABLE suppressions (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    channel             TEXT    NOT NULL,           -- email or sms
    address             TEXT,                       -- sealed when a key is configured; NULL: only its index is known
    address_key         TEXT    NOT NULL,           -- blind index of the normalised address
    topic               TEXT    NOT NULL,           -- * for everything
    state               TEXT    NOT NULL,           -- suppressed or allowed
    source              TEXT    NOT NULL,           -- messages/suppressions.py has the table of them
    evidence            TEXT,                       -- what proves it: an id of an event, a delivery, a message
    wording             TEXT,                       -- the version of the words that were agreed to
    reason              TEXT,                       -- a colleague's words; sealed too
    actor               TEXT    NOT NULL,
    at_us               INTEGER NOT NULL
);

CREATE INDEX suppressions_address ON suppressions (address_key, channel, topic, seq);

-- sqlite:
CREATE TRIGGER suppressions_stay BEFORE UPDATE ON suppressions
BEGIN
    SELECT RAISE(ABORT, 'the ledger of wishes is append-only');
END;

-- postgresql:
CREATE TRIGGER suppressions_stay BEFORE UPDATE ON suppressions EXECUTE FUNCTION refuse_change('the ledger of wishes is append-only');

-- sqlite:
CREATE TRIGGER suppressions_remain BEFORE DELETE ON suppressions
BEGIN
    SELECT RAISE(ABORT, 'the ledger of wishes is append-only');
END;

-- postgresql:
CREATE TRIGGER suppressions_remain BEFORE DELETE OR TRUNCATE ON suppressions EXECUTE FUNCTION refuse_change('the ledger of wishes is append-only');

-- Soft bounces of the last days; enough of them suppress an address.
CREATE TABLE soft_bounces (
    address_key         TEXT    NOT NULL,
    channel             TEXT    NOT NULL,
    evidence            TEXT    NOT NULL,           -- the same event counts once
    at_us               INTEGER NOT NULL,
    PRIMARY KEY (address_key, channel, evidence)
) WITHOUT ROWID;

-- What people wrote to us that may be a wish and is not one of the keywords: a colleague reads it the same day.
CREATE TABLE unclear_wishes (
    seq                 INTEGER PRIMARY KEY,
    id                  TEXT    NOT NULL UNIQUE,
    channel             TEXT    NOT NULL,
    address             TEXT    NOT NULL,           -- sealed, as is the text
    text                TEXT    NOT NULL,
    evidence            TEXT    NOT NULL UNIQUE,    -- the provider's event
    at_us               INTEGER NOT NULL,
    decision            TEXT,                       -- stop, start or none; NULL: nobody has read it yet
    decided_by          TEXT,
    decided_us          INTEGER
);

CREATE INDEX unclear_wishes_open ON unclear_wishes (seq) WHERE decision IS NULL;

-- Where no key is configured, the one that was made stands in the database, so that every machine of a fleet has the same.
-- With SQLite it lies in a file beside it.
-- postgresql:
CREATE TABLE kept_keys (name TEXT PRIMARY KEY, secret TEXT NOT NULL);

"""Small tools that know nothing of Postroom: clock, events, ids, backoff, services, redaction, SQLite commits."""

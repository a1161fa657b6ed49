-- A lock of the transaction, not of the session, so that a pooler cannot leave it behind on a connection.
SELECT pg_advisory_xact_lock(7078081917021001)

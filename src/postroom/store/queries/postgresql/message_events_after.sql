-- Numbers are given out before their transactions commit, so an event is told once every transaction that is older than
-- its own has ended: none with a lower number can follow. Events are never updated, so xmin is who wrote them.
SELECT * FROM message_events
WHERE seq > :after AND age(xmin) > age(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid))
ORDER BY seq LIMIT :limit

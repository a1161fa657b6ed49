-- See message_events_after.
SELECT seq FROM message_events
WHERE age(xmin) > age(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid))
ORDER BY seq DESC LIMIT 1

SELECT seq, at_us, actor, action, object_type, object_id, details FROM audit_log
WHERE seq > :after AND at_us < :cutoff_us ORDER BY seq LIMIT :limit

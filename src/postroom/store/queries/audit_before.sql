SELECT * FROM audit_log WHERE seq > :after AND seq < :end AND at_us < :cutoff_us ORDER BY seq LIMIT :limit

SELECT hour_us, count FROM failure_hours WHERE fingerprint = :fingerprint AND hour_us >= :since_us ORDER BY hour_us

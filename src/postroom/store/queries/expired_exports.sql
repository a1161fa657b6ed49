SELECT id, file FROM exports WHERE file IS NOT NULL AND expires_us <= :now_us AND finished_us <= :cutoff_us
ORDER BY id LIMIT :limit

SELECT count(*) AS count FROM exports WHERE file IS NOT NULL AND expires_us <= :now_us AND finished_us <= :cutoff_us

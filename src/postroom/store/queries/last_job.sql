SELECT coalesce(max(seq), 0) AS last FROM jobs

SELECT coalesce(max(number), 0) AS number FROM attempts WHERE job_id = :job_id

SELECT number, started_us, finished_us, outcome, provider, code, reason, worker FROM attempts
WHERE job_id = :job_id ORDER BY number

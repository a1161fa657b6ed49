UPDATE attempts SET finished_us = :now_us, outcome = :outcome, reason = :reason
WHERE job_id = :job_id AND finished_us IS NULL

UPDATE attempts SET finished_us = :now_us, outcome = :outcome, provider = :provider, code = :code, reason = :reason
WHERE job_id = :job_id AND number = :number

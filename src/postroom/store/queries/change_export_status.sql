UPDATE exports SET status = :status, reason = :reason WHERE id = :id AND job_id = :job_id

UPDATE exports SET status = :status WHERE id = :id AND job_id = :job_id

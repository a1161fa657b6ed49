SELECT * FROM messages WHERE job_id = :job_id AND id = :reference

SELECT status, job_id FROM messages WHERE id = :id

-- locks
SELECT status, job_id, channel, version, generation FROM messages WHERE id = :id

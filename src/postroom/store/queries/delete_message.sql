DELETE FROM messages WHERE id = :reference AND job_id = :id

DELETE FROM messages WHERE id = :id AND job_id = :job_id AND updated_us = :updated_us

-- A call of the job of which nobody knows what became.
SELECT id FROM deliveries WHERE message_id = (SELECT reference FROM jobs WHERE id = :job_id) AND job_id = :job_id
    AND (verdict IS NULL OR verdict = 'unknown') AND rank = 0

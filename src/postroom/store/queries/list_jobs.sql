SELECT seq, id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us,
       send_at_us, next_us, finished_us, code, reason
FROM jobs WHERE seq < :before AND (type = :type OR :type IS NULL)
ORDER BY seq DESC LIMIT :limit

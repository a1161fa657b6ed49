-- By the index of states, whose entries of one state are in the order of seq.
SELECT seq, id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us,
       send_at_us, next_us, finished_us, code, reason
FROM jobs WHERE status = :status AND seq < :before AND (type = :type OR :type IS NULL)
ORDER BY seq DESC LIMIT :limit

-- Between two keys, which bounds what is looked at.
SELECT seq, id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us,
       send_at_us, next_us, finished_us, code, reason, fingerprint
FROM jobs WHERE seq < :before AND seq >= :lowest
    AND (CAST(:type AS TEXT) IS NULL OR type = :type) AND (CAST(:code AS TEXT) IS NULL OR code = :code)
    AND (CAST(:text AS TEXT) IS NULL OR lower(reason) LIKE :text ESCAPE '\')
ORDER BY seq DESC LIMIT :limit

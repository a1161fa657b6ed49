SELECT id, type, reference, priority, status, attempts, created_us, updated_us, code, reason
FROM jobs ORDER BY seq DESC LIMIT :limit

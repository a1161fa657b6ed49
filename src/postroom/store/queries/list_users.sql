-- Roles are a JSON array of names that need no escaping.
SELECT * FROM users
WHERE seq < :before AND (disabled = :disabled OR :disabled IS NULL)
    AND (roles LIKE '%"' || :role || '"%' OR :role IS NULL)
ORDER BY seq DESC LIMIT :limit

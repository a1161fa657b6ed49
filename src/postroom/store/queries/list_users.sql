SELECT * FROM users WHERE seq < :before ORDER BY seq DESC LIMIT :limit

SELECT * FROM api_tokens WHERE seq < :before AND (user_id = :user_id OR :user_id IS NULL) ORDER BY seq DESC LIMIT :limit

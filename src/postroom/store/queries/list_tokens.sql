SELECT * FROM api_tokens WHERE seq < :before AND (:user_id IS NULL OR user_id = :user_id) ORDER BY seq DESC LIMIT :limit

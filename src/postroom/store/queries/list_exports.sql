SELECT * FROM exports WHERE (created_us, id) < (:before_us, :before_id) AND (user_id = :user_id OR :user_id IS NULL)
ORDER BY created_us DESC, id DESC LIMIT :limit

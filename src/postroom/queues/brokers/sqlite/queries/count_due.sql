SELECT count(*) FROM (
    SELECT 1 FROM postroom_messages
    WHERE queue_id = :queue_id AND priority IN (0, 1, 2) AND due_us <= :now_us LIMIT :limit
)

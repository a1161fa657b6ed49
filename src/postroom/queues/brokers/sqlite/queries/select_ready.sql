-- The next messages of a queue. Within a priority the oldest due time first; a step of priority is worth
-- :ageing_us of waiting. Each branch reads at most :limit entries of the index.
SELECT seq, due_us FROM (
    SELECT seq, due_us, due_us AS rank FROM (
        SELECT seq, due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 0 AND due_us <= :now_us ORDER BY due_us, seq LIMIT :limit)
    UNION ALL
    SELECT seq, due_us, due_us + :ageing_us FROM (
        SELECT seq, due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 1 AND due_us <= :now_us ORDER BY due_us, seq LIMIT :limit)
    UNION ALL
    SELECT seq, due_us, due_us + 2 * :ageing_us FROM (
        SELECT seq, due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 2 AND due_us <= :now_us ORDER BY due_us, seq LIMIT :limit)
)
ORDER BY rank, seq LIMIT :limit

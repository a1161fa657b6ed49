-- The next messages of a queue, due or not, in the order in which they will come.
SELECT seq FROM (
    SELECT seq, rank FROM (SELECT seq, due_us AS rank FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 0 ORDER BY due_us, seq LIMIT :limit)
    UNION ALL
    SELECT seq, rank FROM (SELECT seq, due_us + :ageing_us AS rank FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 1 ORDER BY due_us, seq LIMIT :limit)
    UNION ALL
    SELECT seq, rank FROM (SELECT seq, due_us + 2 * :ageing_us AS rank FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 2 ORDER BY due_us, seq LIMIT :limit)
)
ORDER BY rank, seq LIMIT :limit

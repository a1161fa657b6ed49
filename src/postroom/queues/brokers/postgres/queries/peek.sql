-- The next messages of a queue, due or not, in the order in which they will come.
SELECT seq, id, body, content_type, priority, sent_us, attempts, due_us,
       lease <> 0 AND due_us > $4 + postroom_moment($3), meta
FROM (
    (SELECT *, due_us AS rank FROM postroom_messages WHERE queue_id = $1 AND priority = 0 ORDER BY due_us, seq LIMIT $2)
    UNION ALL
    (SELECT *, due_us + $5 FROM postroom_messages WHERE queue_id = $1 AND priority = 1 ORDER BY due_us, seq LIMIT $2)
    UNION ALL
    (SELECT *, due_us + 2 * $5 FROM postroom_messages WHERE queue_id = $1 AND priority = 2 ORDER BY due_us, seq LIMIT $2)
) AS next
ORDER BY rank, seq LIMIT $2

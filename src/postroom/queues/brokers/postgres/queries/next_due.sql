SELECT min(due_us) FROM (
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 0 AND due_us > $2 ORDER BY due_us LIMIT 1) AS high
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 1 AND due_us > $2 ORDER BY due_us LIMIT 1) AS normal
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 2 AND due_us > $2 ORDER BY due_us LIMIT 1) AS low
) AS next

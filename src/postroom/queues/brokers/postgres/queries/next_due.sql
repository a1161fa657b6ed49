-- When the next message may come: the end of a delay, or of a lease among what was due before.
SELECT min(moment_us) FROM (
    SELECT * FROM (SELECT due_us AS moment_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 0 AND due_us > $2 ORDER BY due_us LIMIT 1) AS high
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 1 AND due_us > $2 ORDER BY due_us LIMIT 1) AS normal
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = $1 AND priority = 2 AND due_us > $2 ORDER BY due_us LIMIT 1) AS low
    UNION ALL
    SELECT min(until_us) FROM postroom_messages
    WHERE queue_id = $1 AND priority IN (0, 1, 2) AND due_us <= $2 AND until_us > $2
) AS next

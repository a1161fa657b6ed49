SELECT min(due_us) FROM (
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 0 AND due_us > :now_us ORDER BY due_us LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 1 AND due_us > :now_us ORDER BY due_us LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT due_us FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 2 AND due_us > :now_us ORDER BY due_us LIMIT 1)
)

-- Best effort: the oldest among the first few of each priority.
SELECT min(sent_us) FROM postroom_messages WHERE seq IN (
    SELECT * FROM (SELECT seq FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 0 ORDER BY due_us LIMIT 4)
    UNION ALL
    SELECT * FROM (SELECT seq FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 1 ORDER BY due_us LIMIT 4)
    UNION ALL
    SELECT * FROM (SELECT seq FROM postroom_messages
        WHERE queue_id = :queue_id AND priority = 2 ORDER BY due_us LIMIT 4)
)

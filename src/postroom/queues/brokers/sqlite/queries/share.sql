SELECT sum(CASE WHEN id = :queue_id THEN backlog_count ELSE 0 END),
    sum(CASE WHEN id = :queue_id THEN 0 ELSE backlog_count END)
FROM postroom_queues

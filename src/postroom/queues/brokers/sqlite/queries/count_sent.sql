UPDATE postroom_queues SET backlog_count = backlog_count + :count, backlog_bytes = backlog_bytes + :bytes
WHERE id = :queue_id RETURNING backlog_count, backlog_bytes

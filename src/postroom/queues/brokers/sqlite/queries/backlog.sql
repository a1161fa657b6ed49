SELECT backlog_count, backlog_bytes, in_flight FROM postroom_queues WHERE id = :queue_id

DELETE FROM postroom_queues WHERE id = :queue_id

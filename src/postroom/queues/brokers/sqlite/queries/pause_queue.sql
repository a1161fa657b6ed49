UPDATE postroom_queues SET paused = :paused WHERE id = :queue_id

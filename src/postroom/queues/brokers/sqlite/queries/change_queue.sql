UPDATE postroom_queues SET options = :options WHERE name = :name

UPDATE postroom_queues SET paused = $2, version = version + 1 WHERE name = $1

UPDATE postroom_queues SET options = $2, version = version + 1 WHERE name = $1

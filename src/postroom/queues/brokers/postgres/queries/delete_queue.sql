DELETE FROM postroom_queues WHERE name = $1

SELECT id, name, options, paused FROM postroom_queues

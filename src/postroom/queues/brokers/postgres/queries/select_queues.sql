SELECT id, version, name, options, paused FROM postroom_queues

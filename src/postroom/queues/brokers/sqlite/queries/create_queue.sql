INSERT INTO postroom_queues (name, created_us, options) VALUES (:name, :now_us, :options)
ON CONFLICT (name) DO NOTHING

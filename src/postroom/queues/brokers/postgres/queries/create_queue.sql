INSERT INTO postroom_queues (name, created_us, options)
VALUES ($1, postroom_moment($2), $3)
ON CONFLICT (name) DO NOTHING

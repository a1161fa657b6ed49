-- locks
SELECT * FROM message_keys WHERE key_id <> :key_id LIMIT :limit

INSERT OR REPLACE INTO postroom_deduplication (queue_id, key, message_id, expires_us)
VALUES (:queue_id, :key, :message_id, :expires_us)

INSERT OR REPLACE INTO message_keys (message_id, key_id, wrapped) VALUES (:message_id, :key_id, :wrapped)

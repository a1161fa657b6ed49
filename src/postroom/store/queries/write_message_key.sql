INSERT INTO message_keys (message_id, key_id, wrapped) VALUES (:message_id, :key_id, :wrapped)
ON CONFLICT (message_id) DO UPDATE SET key_id = excluded.key_id, wrapped = excluded.wrapped

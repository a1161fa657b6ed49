SELECT * FROM message_keys WHERE message_id = :message_id

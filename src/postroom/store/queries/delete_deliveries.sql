DELETE FROM deliveries WHERE message_id = :message_id

SELECT * FROM deliveries WHERE message_id = :message_id ORDER BY claimed_us, id

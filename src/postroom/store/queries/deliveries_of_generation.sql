SELECT * FROM deliveries WHERE message_id = :message_id AND generation = :generation ORDER BY claimed_us, id

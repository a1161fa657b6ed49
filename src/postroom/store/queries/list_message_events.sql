SELECT * FROM message_events WHERE message_id = :message_id AND seq > :after ORDER BY seq LIMIT :limit

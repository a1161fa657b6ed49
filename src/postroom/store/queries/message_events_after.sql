SELECT * FROM message_events WHERE seq > :after ORDER BY seq LIMIT :limit

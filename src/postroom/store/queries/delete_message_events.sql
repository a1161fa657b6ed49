DELETE FROM message_events WHERE message_id = :message_id

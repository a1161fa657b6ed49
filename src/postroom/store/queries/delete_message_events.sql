DELETE FROM message_events WHERE message_id IN (SELECT value FROM json_each(:ids))

DELETE FROM deliveries WHERE message_id IN (SELECT value FROM json_each(:ids))

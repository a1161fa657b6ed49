DELETE FROM message_keys WHERE message_id IN (SELECT value FROM json_each(:ids))

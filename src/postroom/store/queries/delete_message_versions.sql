DELETE FROM message_versions WHERE message_id IN (SELECT value FROM json_each(:ids))

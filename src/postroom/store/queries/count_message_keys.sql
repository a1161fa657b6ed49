SELECT key_id, count(*) AS count FROM message_keys GROUP BY key_id ORDER BY key_id

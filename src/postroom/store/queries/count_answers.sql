SELECT count(*) AS count FROM messages
WHERE recipient_key = :recipient_key AND answers IS NOT NULL AND created_us > :since_us

SELECT * FROM message_versions WHERE message_id = :message_id ORDER BY version LIMIT :limit

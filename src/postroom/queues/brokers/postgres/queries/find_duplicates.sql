SELECT known.queue_id, known.key, known.message_id
FROM unnest($1::integer[], $2::bytea[]) AS u (queue_id, key)
JOIN postroom_deduplication AS known ON known.queue_id = u.queue_id AND known.key = u.key

SELECT seq, id, body, content_type, priority, sent_us, attempts, due_us, lease <> 0 AND due_us > :now_us, meta
FROM postroom_messages WHERE queue_id = :queue_id AND seq > :after ORDER BY seq LIMIT :limit

SELECT seq, id, body, content_type, priority, sent_us, attempts, greatest(due_us, until_us),
       until_us > $5 + postroom_moment($4), meta
FROM postroom_messages WHERE queue_id = $1 AND seq > $2 ORDER BY seq LIMIT $3

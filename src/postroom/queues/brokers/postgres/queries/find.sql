SELECT seq, id, body, content_type, priority, sent_us, attempts, greatest(due_us, until_us),
       until_us > $4 + postroom_moment($3), meta
FROM postroom_messages WHERE queue_id = $1 AND seq = ANY ($2::bigint[])

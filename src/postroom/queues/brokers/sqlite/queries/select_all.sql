SELECT seq, length(body), lease FROM postroom_messages WHERE queue_id = :queue_id LIMIT :limit

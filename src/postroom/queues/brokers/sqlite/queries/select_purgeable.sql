SELECT seq, length(body), lease FROM postroom_messages
WHERE queue_id = :queue_id AND (lease = 0 OR due_us <= :now_us) AND seq <= :last LIMIT :limit

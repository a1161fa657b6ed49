-- By the queue's own index, which holds the key too; what is found is sorted by it.
SELECT seq, id, body, content_type, priority, sent_us, attempts, due_us, lease <> 0 AND due_us > :now_us, meta
FROM postroom_messages WHERE seq IN (
    SELECT seq FROM postroom_messages INDEXED BY postroom_messages_due
    WHERE queue_id = :queue_id AND seq > :after ORDER BY seq LIMIT :limit
) ORDER BY seq

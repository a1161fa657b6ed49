INSERT INTO postroom_messages
    (seq, queue_id, id, priority, due_us, sent_us, enqueued_us, content_type, body, meta)
SELECT :seq, :target, id, priority, :due_us, sent_us, :now_us, content_type, body, meta
FROM postroom_messages WHERE seq = :key

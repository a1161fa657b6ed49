INSERT INTO postroom_messages
    (seq, queue_id, id, priority, due_us, sent_us, enqueued_us, content_type, body, meta)

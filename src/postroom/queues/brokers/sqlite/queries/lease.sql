UPDATE postroom_messages
SET due_us = :until_us, lease = :token, attempts = attempts + 1
WHERE seq IN (SELECT value FROM json_each(:keys))
RETURNING seq, lease, id, body, content_type, priority, sent_us, attempts, meta, enqueued_us

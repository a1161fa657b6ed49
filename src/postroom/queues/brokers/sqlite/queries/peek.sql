SELECT seq, id, body, content_type, priority, sent_us, attempts, due_us, lease <> 0 AND due_us > :now_us, meta
FROM postroom_messages WHERE seq IN (SELECT value FROM json_each(:keys))

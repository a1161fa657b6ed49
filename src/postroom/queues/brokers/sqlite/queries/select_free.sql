-- Those of the named messages that nobody holds.
SELECT seq, length(body), lease FROM postroom_messages
WHERE queue_id = :queue_id AND seq IN (SELECT value FROM json_each(:keys)) AND (lease = 0 OR due_us <= :now_us)

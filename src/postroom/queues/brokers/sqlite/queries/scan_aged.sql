-- Rows in order of arrival from behind a cursor, for the retention sweep.
SELECT seq, queue_id, enqueued_us, length(body), lease, due_us, id FROM postroom_messages
WHERE seq > :after ORDER BY seq LIMIT :limit

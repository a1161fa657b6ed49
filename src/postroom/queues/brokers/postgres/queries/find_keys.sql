-- Those of the named messages that are there and not back in the queue.
SELECT seq FROM postroom_messages WHERE seq = ANY ($1::bigint[]) AND lease <> 0

-- Takes the keys that nobody has ($2) and returns them; waits for whoever is just taking one of them.
INSERT INTO postroom_deduplication (queue_id, key, message_id, expires_us)
SELECT u.queue_id, u.key, u.message_id, moment.now_us + u.window_us
FROM unnest($1::integer[], $2::bytea[], $3::text[], $4::bigint[]) AS u (queue_id, key, message_id, window_us),
     (SELECT postroom_moment($5) AS now_us) AS moment
ORDER BY u.queue_id, u.key
ON CONFLICT (queue_id, key) DO UPDATE SET message_id = excluded.message_id, expires_us = excluded.expires_us
WHERE postroom_deduplication.expires_us
      <= postroom_moment($5)
RETURNING queue_id, key

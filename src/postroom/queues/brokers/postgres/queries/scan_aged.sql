-- Rows in order of arrival from behind a cursor, for the retention sweep.
SELECT seq, queue_id, enqueued_us, until_us > moment.clock_us, moment.clock_us
FROM postroom_messages,
     (SELECT postroom_moment($3) AS clock_us) AS moment
WHERE seq > $1 ORDER BY seq LIMIT $2

UPDATE postroom_messages AS message
SET seq = DEFAULT, queue_id = move.queue_id, due_us = moment.clock_us + move.delay_us, enqueued_us = moment.clock_us,
    attempts = 0, lease = 0, until_us = 0
FROM unnest($2::bigint[], $3::integer[], $4::bigint[]) AS move (seq, queue_id, delay_us),
     (SELECT postroom_moment($5) AS clock_us) AS moment
WHERE message.queue_id = $1 AND message.seq = move.seq AND (until_us <= moment.clock_us + $6)
  AND EXISTS (SELECT FROM postroom_queues AS queue WHERE queue.id = move.queue_id)

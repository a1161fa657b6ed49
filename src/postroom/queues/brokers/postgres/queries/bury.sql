UPDATE postroom_messages AS message
SET seq = DEFAULT, queue_id = grave.queue_id, due_us = moment.now_us + grave.delay_us, enqueued_us = moment.now_us,
    attempts = 0, lease = 0, until_us = 0, meta = grave.meta
FROM unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::bytea[])
         AS grave (seq, token, queue_id, delay_us, meta),
     (SELECT postroom_moment($6) AS now_us) AS moment
WHERE message.seq = grave.seq AND message.lease = grave.token
  AND EXISTS (SELECT FROM postroom_queues AS queue WHERE queue.id = grave.queue_id)
RETURNING grave.seq

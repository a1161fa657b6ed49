-- All or none: nothing is inserted when any of the queues is not as the caller knows it ($1 ids, $2 versions).
INSERT INTO postroom_messages (queue_id, id, priority, due_us, sent_us, enqueued_us, content_type, body, meta)
SELECT u.queue_id, u.id, u.priority, moment.now_us + u.delay_us, u.sent_us,
       CASE WHEN u.delay_us <= $11 THEN moment.now_us ELSE moment.now_us + u.delay_us END,
       u.content_type, u.body, u.meta
FROM unnest($3::integer[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::text[], $9::bytea[], $10::bytea[])
         AS u (queue_id, id, priority, delay_us, sent_us, content_type, body, meta),
     (SELECT postroom_moment($12) AS now_us) AS moment
WHERE (SELECT count(*) FROM unnest($1::integer[], $2::bigint[]) AS known (id, version)
       JOIN postroom_queues AS queue ON queue.id = known.id AND queue.version = known.version)
      = cardinality($1::integer[])

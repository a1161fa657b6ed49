-- The next messages of a queue, marked as leased; on the way, what was handled before is deleted ($16 keys, $17 their
-- tokens), because settling the last batch in the statement that takes the next one saves a commit.
-- Within a priority the oldest due time first; a step of priority is worth $12 microseconds of waiting. Each branch
-- reads the index from a bound on ($13 to $15) and takes at most $5 rows that nobody else has locked.
-- The first row tells what was found; the messages follow it.
WITH moment AS MATERIALIZED (
    SELECT postroom_moment($3) AS clock_us
), queue AS MATERIALIZED (
    SELECT version = $2 AS known, paused, clock_us, clock_us + $4::bigint AS now_us
    FROM postroom_queues, moment WHERE id = $1
), acked AS (
    DELETE FROM postroom_messages AS message
    USING unnest($16::bigint[], $17::bigint[]) AS ack (seq, token)
    WHERE message.seq = ack.seq AND message.lease = ack.token
    RETURNING message.seq
), candidates AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY rank, seq) AS place FROM (
        SELECT *, due_us + 0 * $12::bigint AS rank FROM (
            SELECT ctid, seq, due_us, priority, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 0 AND due_us >= $13
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
              AND until_us <= (SELECT now_us FROM queue)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS high
        UNION ALL
        SELECT *, due_us + 1 * $12::bigint AS rank FROM (
            SELECT ctid, seq, due_us, priority, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 1 AND due_us >= $14
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
              AND until_us <= (SELECT now_us FROM queue)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS normal
        UNION ALL
        SELECT *, due_us + 2 * $12::bigint AS rank FROM (
            SELECT ctid, seq, due_us, priority, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 2 AND due_us >= $15
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
              AND until_us <= (SELECT now_us FROM queue)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS low
    ) AS ranked
    ORDER BY rank, seq LIMIT $5
), tally AS MATERIALIZED (
    SELECT count(*) AS ready, min(due_us) AS first_due_us,
           min(place) FILTER (WHERE lease <> 0 AND attempts >= $9 AND attempts < $10) AS suspect
    FROM candidates
), chosen AS MATERIALIZED (
    SELECT candidates.ctid, seq, place, lease <> 0 AS lapsed FROM candidates, tally
    WHERE CASE WHEN suspect IS NULL THEN place <= ready - ready % $6::bigint ELSE place = suspect AND NOT $11::boolean END
), taken AS (
    UPDATE postroom_messages
    SET until_us = (SELECT clock_us FROM moment) + $7::bigint, lease = $8, attempts = attempts + 1
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM chosen))
    RETURNING seq, id, body, content_type, priority, sent_us, attempts, meta, enqueued_us, due_us
)
SELECT 0 AS place, NULL::bigint AS seq, NULL AS id, NULL::bytea AS body, NULL AS content_type, NULL::smallint AS priority,
       NULL::bigint AS sent_us, NULL::integer AS attempts, NULL::bytea AS meta, NULL::boolean AS lapsed,
       NULL::bigint AS enqueued_us, NULL::bigint AS due_us,
       queue.known, queue.paused, queue.clock_us, tally.ready, tally.first_due_us, tally.suspect IS NOT NULL AS suspect,
       ARRAY(SELECT seq FROM acked) AS acked
FROM tally LEFT JOIN queue ON true
UNION ALL
SELECT chosen.place, taken.seq, id, body, content_type, priority, sent_us, attempts, meta, chosen.lapsed, enqueued_us,
       due_us, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM taken JOIN chosen ON chosen.seq = taken.seq
ORDER BY place

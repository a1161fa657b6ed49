-- The next messages of a queue, marked as leased. Within a priority the oldest due time first; a step of priority is
-- worth $12 microseconds of waiting. Each branch reads at most $5 entries of the index that nobody else has locked.
-- One row at least when the queue exists: what was found, beside the messages if there are any.
WITH moment AS MATERIALIZED (
    SELECT postroom_moment($3) AS clock_us
), queue AS MATERIALIZED (
    SELECT version = $2 AS known, paused, clock_us, clock_us + $4::bigint AS now_us FROM postroom_queues, moment WHERE id = $1
), candidates AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY rank, seq) AS place FROM (
        SELECT *, due_us AS rank FROM (
            SELECT seq, due_us, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 0
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS high
        UNION ALL
        SELECT *, due_us + $12::bigint FROM (
            SELECT seq, due_us, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 1
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS normal
        UNION ALL
        SELECT *, due_us + 2 * $12::bigint FROM (
            SELECT seq, due_us, lease, attempts FROM postroom_messages
            WHERE queue_id = $1 AND priority = 2
              AND due_us <= (SELECT now_us FROM queue WHERE known AND NOT paused)
            ORDER BY due_us, seq LIMIT $5 FOR UPDATE SKIP LOCKED) AS low
    ) AS ranked
    ORDER BY rank, seq LIMIT $5
), tally AS MATERIALIZED (
    SELECT count(*) AS ready, min(due_us) AS first_due_us,
           min(place) FILTER (WHERE lease <> 0 AND attempts >= $9 AND attempts < $10) AS suspect
    FROM candidates
), chosen AS MATERIALIZED (
    SELECT seq, place, lease <> 0 AS lapsed FROM candidates, tally
    WHERE CASE WHEN suspect IS NULL THEN place <= ready - ready % $6::bigint ELSE place = suspect AND NOT $11::boolean END
), taken AS (
    UPDATE postroom_messages AS message
    SET due_us = clock_us + $7::bigint, lease = $8, attempts = message.attempts + 1
    FROM chosen, moment WHERE message.seq = chosen.seq
    RETURNING chosen.place, message.seq, id, body, content_type, priority, sent_us, message.attempts, meta, chosen.lapsed, enqueued_us
)
SELECT queue.known, queue.paused, queue.clock_us, tally.ready, tally.first_due_us, tally.suspect IS NOT NULL, taken.*
FROM queue CROSS JOIN tally LEFT JOIN taken ON true
ORDER BY taken.place

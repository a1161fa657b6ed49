-- The next messages of a queue, due or not, in the order in which they will come: what nobody holds by its place,
-- then what is leased, of which only the first $6 in order are looked through.
WITH moment AS MATERIALIZED (
    SELECT postroom_moment($3) + $4::bigint AS now_us
), next AS MATERIALIZED (
    (SELECT seq, due_us AS rank FROM postroom_messages, moment
     WHERE queue_id = $1 AND priority = 0 AND until_us <= now_us ORDER BY due_us, seq LIMIT $2)
    UNION ALL
    (SELECT seq, due_us + $5 FROM postroom_messages, moment
     WHERE queue_id = $1 AND priority = 1 AND until_us <= now_us ORDER BY due_us, seq LIMIT $2)
    UNION ALL
    (SELECT seq, due_us + 2 * $5 FROM postroom_messages, moment
     WHERE queue_id = $1 AND priority = 2 AND until_us <= now_us ORDER BY due_us, seq LIMIT $2)
    UNION ALL
    (SELECT seq, until_us + $5 * priority FROM (
        SELECT seq, until_us, priority FROM postroom_messages WHERE queue_id = $1 AND priority IN (0, 1, 2)
        ORDER BY due_us LIMIT $6) AS first, moment
     WHERE until_us > now_us)
)
SELECT seq, id, body, content_type, priority, sent_us, attempts, greatest(due_us, until_us), until_us > now_us, meta
FROM (SELECT seq, rank FROM next ORDER BY rank, seq LIMIT $2) AS found JOIN postroom_messages USING (seq), moment
ORDER BY rank, seq

WITH moment AS (
    SELECT postroom_moment($2) + $3 AS now_us
)
SELECT options, paused, created_us, backlog.* FROM postroom_queues, (
    SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint, min(sent_us),
           count(*) FILTER (WHERE due_us <= now_us AND until_us <= now_us), count(*) FILTER (WHERE until_us > now_us)
    FROM postroom_messages, moment WHERE queue_id = $1
) AS backlog
WHERE id = $1

DELETE FROM postroom_messages
WHERE queue_id = $1 AND seq = ANY ($2::bigint[])
  AND (until_us <= $4 + postroom_moment($3))

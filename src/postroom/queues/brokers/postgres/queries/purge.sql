DELETE FROM postroom_messages WHERE seq IN (
    SELECT seq FROM postroom_messages
    WHERE queue_id = $1 AND seq <= $2
      AND (until_us <= $4 + postroom_moment($3))
    LIMIT $5 FOR UPDATE SKIP LOCKED)

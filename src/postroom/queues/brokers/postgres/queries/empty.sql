DELETE FROM postroom_messages WHERE seq IN (SELECT seq FROM postroom_messages WHERE queue_id = $1 LIMIT $2)

DELETE FROM postroom_deduplication WHERE queue_id = $1

DELETE FROM postroom_deduplication WHERE queue_id = :queue_id

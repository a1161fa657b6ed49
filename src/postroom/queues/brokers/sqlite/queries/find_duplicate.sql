SELECT message_id FROM postroom_deduplication WHERE queue_id = :queue_id AND key = :key AND expires_us > :now_us

SELECT coalesce(max(seq), 0) FROM postroom_messages

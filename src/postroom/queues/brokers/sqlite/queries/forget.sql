DELETE FROM postroom_deduplication WHERE expires_us <= :now_us

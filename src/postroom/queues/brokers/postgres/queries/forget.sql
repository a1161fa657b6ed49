DELETE FROM postroom_deduplication
WHERE expires_us <= postroom_moment($1)

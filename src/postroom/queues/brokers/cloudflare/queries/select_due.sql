SELECT * FROM postroom_cloudflare_outbox
WHERE account_id = :account_id AND release_us <= :now_us ORDER BY release_us, seq LIMIT :limit

SELECT min(release_us) FROM postroom_cloudflare_outbox WHERE account_id = :account_id

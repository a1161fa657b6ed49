DELETE FROM postroom_cloudflare_outbox WHERE account_id = :account_id AND queue = :queue

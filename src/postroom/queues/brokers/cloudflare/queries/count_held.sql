SELECT count(*), coalesce(sum(length(body)), 0), min(sent_us) FROM postroom_cloudflare_outbox
WHERE account_id = :account_id AND queue = :queue

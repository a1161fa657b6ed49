SELECT id FROM postroom_cloudflare_known
WHERE account_id = :account_id AND queue = :queue AND deduplication_id = :deduplication_id AND until_us > :now_us

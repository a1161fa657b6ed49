INSERT OR REPLACE INTO postroom_cloudflare_known (account_id, queue, deduplication_id, id, until_us)
VALUES (:account_id, :queue, :deduplication_id, :id, :until_us)

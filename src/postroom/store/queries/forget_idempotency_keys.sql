DELETE FROM idempotency_keys WHERE key IN
    (SELECT key FROM idempotency_keys WHERE claimed_us < :oldest_us ORDER BY claimed_us LIMIT :limit)

DELETE FROM idempotency_keys WHERE key = :key

SELECT * FROM idempotency_keys WHERE key = :key

UPDATE idempotency_keys SET status = :status, headers = :headers, body = :body WHERE key = :key

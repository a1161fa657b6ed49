INSERT OR REPLACE INTO idempotency_keys (key, request_sha256, claimed_us) VALUES (:key, :request_sha256, :now_us)

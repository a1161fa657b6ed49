INSERT INTO idempotency_keys (key, request_sha256, claimed_us) VALUES (:key, :request_sha256, :now_us)
ON CONFLICT (key) DO UPDATE SET request_sha256 = excluded.request_sha256, claimed_us = excluded.claimed_us, status = NULL,
    headers = NULL, body = NULL

SELECT count(*) AS count FROM idempotency_keys WHERE claimed_us < :cutoff_us

INSERT INTO deliveries (id, message_id, job_id, job_attempt, generation, provider, state, rank, request_sha256,
    idempotency_key, possible_duplicate, claimed_us, updated_us)
VALUES (:id, :message_id, :job_id, :job_attempt, :generation, :provider, 'claimed', 0, :request_sha256,
    :idempotency_key, :possible_duplicate, :now_us, :now_us)

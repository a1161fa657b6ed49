SELECT j.seq, m.id, m.channel, m.recipient, m.status, m.job_id, m.provider, m.provider_id, j.priority, j.attempts,
       j.code, j.reason, m.created_us, m.updated_us
FROM jobs AS j JOIN messages AS m ON m.job_id = j.id
WHERE j.seq > :after AND j.seq <= :last AND m.created_us >= :from_us AND m.created_us < :until_us
  AND (:status IS NULL OR m.status = :status) AND (:channel IS NULL OR m.channel = :channel)
ORDER BY j.seq LIMIT :limit

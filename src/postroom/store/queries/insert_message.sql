-- A message whose last sending failed for good may be sent by a new job.
INSERT INTO messages (id, channel, recipient, subject, content, status, job_id, created_us, updated_us)
VALUES (:id, :channel, :recipient, :subject, :content, :status, :job_id, :now_us, :now_us)
ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, recipient = excluded.recipient,
    subject = excluded.subject, content = excluded.content, status = excluded.status, job_id = excluded.job_id,
    provider = NULL, provider_id = NULL, updated_us = excluded.updated_us

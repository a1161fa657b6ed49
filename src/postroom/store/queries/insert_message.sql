-- A message whose last sending failed for good may be sent by a new job.
INSERT INTO messages (id, channel, recipient, recipient_key, subject, content, html, status, priority, author, topic,
    health_data, policy, template, template_version, zone, send_at_us, expires_us, content_sha256, job_id, answers,
    created_us, updated_us)
VALUES (:id, :channel, :recipient, :recipient_key, :subject, :content, :html, :status, :priority, :author, :topic,
    :health_data, :policy, :template, :template_version, :zone, :send_at_us, :expires_us, :content_sha256, :job_id,
    :answers, :now_us, :now_us)
ON CONFLICT (id) DO UPDATE SET channel = excluded.channel, recipient = excluded.recipient,
    recipient_key = excluded.recipient_key, subject = excluded.subject, content = excluded.content,
    html = excluded.html, status = excluded.status, version = messages.version + 1, priority = excluded.priority,
    content_sha256 = excluded.content_sha256, job_id = excluded.job_id, send_at_us = excluded.send_at_us,
    generation = messages.generation + 1, provider = NULL, provider_id = NULL, code = NULL, reason = NULL, sent_us = NULL,
    delivered_us = NULL, updated_us = excluded.updated_us
WHERE messages.status = 'failed'

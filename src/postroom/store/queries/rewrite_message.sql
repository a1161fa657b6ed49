-- What was approved is what its hash says; another hash takes the approval away.
UPDATE messages SET channel = :channel, recipient = :recipient, recipient_key = :recipient_key, subject = :subject,
    content = :content, html = :html, review_note = :review_note, priority = :priority, topic = :topic,
    health_data = :health_data, policy = :policy, template = :template, template_version = :template_version,
    zone = :zone, send_at_us = :send_at_us, expires_us = :expires_us,
    approved_by = CASE WHEN content_sha256 = :content_sha256 THEN approved_by END,
    approved_us = CASE WHEN content_sha256 = :content_sha256 THEN approved_us END,
    approved_sha256 = CASE WHEN content_sha256 = :content_sha256 THEN approved_sha256 END,
    approval_ends_us = CASE WHEN content_sha256 = :content_sha256 THEN approval_ends_us END,
    content_sha256 = :content_sha256, version = version + 1, updated_us = :now_us
WHERE id = :id

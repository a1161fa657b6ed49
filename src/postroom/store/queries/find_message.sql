SELECT m.id, m.channel, m.recipient, m.subject, m.content, m.status, m.job_id, m.provider, m.provider_id,
       m.created_us, m.updated_us
FROM messages AS m WHERE m.id = :id

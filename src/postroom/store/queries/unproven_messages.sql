SELECT m.seq, m.id, m.channel, m.provider, m.provider_id, m.sent_us,
    (SELECT d.id FROM deliveries AS d WHERE d.message_id = m.id ORDER BY d.claimed_us DESC LIMIT 1) AS delivery_id
FROM messages AS m
WHERE m.status = 'sent' AND m.seq > :after AND m.provider IS NOT NULL
    AND ((m.channel = 'sms' AND m.sent_us < :sms_us) OR (m.channel = 'email' AND m.sent_us < :email_us)
        OR (m.channel NOT IN ('sms', 'email') AND m.sent_us < :portal_us))
ORDER BY m.seq LIMIT :limit

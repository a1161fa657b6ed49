-- Sent by a provider that can be asked, and nobody has proved yet that they arrived.
SELECT m.seq, m.id, m.channel, m.provider, m.provider_id, m.sent_us,
    (SELECT d.id FROM deliveries AS d WHERE d.message_id = m.id ORDER BY d.claimed_us DESC LIMIT 1) AS delivery_id
FROM messages AS m
WHERE m.status IN ('sent', 'unconfirmed') AND m.provider = :provider AND m.provider_id IS NOT NULL
    AND m.sent_us >= :oldest_us AND m.sent_us < :newest_us AND m.seq > :after
ORDER BY m.seq LIMIT :limit

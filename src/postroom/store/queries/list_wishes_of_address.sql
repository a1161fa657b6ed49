SELECT * FROM suppressions s
WHERE s.address_key = :address_key AND s.seq < :before
    AND (:channel IS NULL OR s.channel = :channel) AND (:topic IS NULL OR s.topic = :topic)
    AND (:source IS NULL OR s.source = :source)
    AND (:history OR (s.state = 'suppressed' AND NOT EXISTS (SELECT 1 FROM suppressions n
        WHERE n.address_key = s.address_key AND n.channel = s.channel AND n.topic = s.topic AND n.seq > s.seq)))
ORDER BY s.seq DESC LIMIT :limit

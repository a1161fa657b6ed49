SELECT * FROM suppressions s
WHERE s.address_key = :address_key AND s.seq < :before
    AND (s.channel = :channel OR :channel IS NULL) AND (s.topic = :topic OR :topic IS NULL)
    AND (s.source = :source OR :source IS NULL)
    AND (:history = 1 OR (s.state = 'suppressed' AND NOT EXISTS (SELECT 1 FROM suppressions n
        WHERE n.address_key = s.address_key AND n.channel = s.channel AND n.topic = s.topic AND n.seq > s.seq)))
ORDER BY s.seq DESC LIMIT :limit

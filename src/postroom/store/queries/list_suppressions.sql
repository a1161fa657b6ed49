SELECT * FROM suppressions s
WHERE s.seq < :before AND s.state = 'suppressed'
    AND (s.channel = :channel OR :channel IS NULL) AND (s.topic = :topic OR :topic IS NULL)
    AND (s.source = :source OR :source IS NULL)
    AND NOT EXISTS (SELECT 1 FROM suppressions n WHERE n.address_key = s.address_key AND n.channel = s.channel
        AND n.topic = s.topic AND n.seq > s.seq)
ORDER BY s.seq DESC LIMIT :limit

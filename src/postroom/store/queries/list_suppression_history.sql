SELECT * FROM suppressions s
WHERE s.seq < :before
    AND (:channel IS NULL OR s.channel = :channel) AND (:topic IS NULL OR s.topic = :topic)
    AND (:source IS NULL OR s.source = :source)
ORDER BY s.seq DESC LIMIT :limit

SELECT * FROM suppressions s
WHERE s.seq < :before
    AND (s.channel = :channel OR :channel IS NULL) AND (s.topic = :topic OR :topic IS NULL)
    AND (s.source = :source OR :source IS NULL)
ORDER BY s.seq DESC LIMIT :limit

SELECT * FROM messages
WHERE status = :status AND seq < :before
    AND (recipient_key = :recipient_key OR :recipient_key IS NULL) AND (author = :author OR :author IS NULL)
    AND (status = :status OR :status IS NULL) AND (channel = :channel OR :channel IS NULL)
    AND (topic = :topic OR :topic IS NULL) AND (template = :template OR :template IS NULL)
    AND (provider = :provider OR :provider IS NULL) AND created_us >= :since_us AND created_us < :until_us
ORDER BY seq DESC LIMIT :limit

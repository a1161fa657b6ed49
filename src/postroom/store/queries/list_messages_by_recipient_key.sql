SELECT * FROM messages
WHERE recipient_key = :recipient_key AND seq < :before
    AND (recipient_key = :recipient_key OR :recipient_key IS NULL) AND (author = :author OR :author IS NULL)
    AND (status = :status OR :status IS NULL) AND (channel = :channel OR :channel IS NULL)
ORDER BY seq DESC LIMIT :limit

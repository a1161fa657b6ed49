SELECT * FROM messages
WHERE recipient_key = :recipient_key AND seq < :before
    AND (:recipient_key IS NULL OR recipient_key = :recipient_key) AND (:author IS NULL OR author = :author)
    AND (:status IS NULL OR status = :status) AND (:channel IS NULL OR channel = :channel)
ORDER BY seq DESC LIMIT :limit

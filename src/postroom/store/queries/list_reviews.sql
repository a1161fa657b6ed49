SELECT * FROM messages
WHERE status = 'pending_review' AND (submitted_us, seq) > (:after_us, :after_seq)
    AND (author = :author OR :author IS NULL) AND (channel = :channel OR :channel IS NULL)
ORDER BY submitted_us, seq LIMIT :limit

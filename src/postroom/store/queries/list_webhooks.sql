SELECT seq, id, receiver, received_us, processed_us, problem FROM webhook_inbox WHERE seq < :before
    AND (:receiver IS NULL OR receiver = :receiver)
ORDER BY seq DESC LIMIT :limit

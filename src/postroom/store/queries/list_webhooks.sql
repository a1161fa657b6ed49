SELECT seq, id, receiver, received_us, processed_us, problem FROM webhook_inbox WHERE seq < :before
    AND (receiver = :receiver OR :receiver IS NULL)
ORDER BY seq DESC LIMIT :limit

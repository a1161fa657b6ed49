-- Between two keys, which bounds what is looked at.
SELECT seq, id, receiver, received_us, processed_us, problem, length(body) AS bytes FROM webhook_inbox
WHERE seq < :before AND seq >= :lowest AND (CAST(:receiver AS TEXT) IS NULL OR receiver = :receiver)
ORDER BY seq DESC LIMIT :limit

SELECT seq, id, receiver, received_us, processed_us, problem, length(body) AS bytes FROM webhook_inbox
WHERE seq < :before AND processed_us IS NULL
ORDER BY seq DESC LIMIT :limit

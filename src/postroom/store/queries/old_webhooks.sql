SELECT * FROM webhook_inbox WHERE seq > :after AND received_us < :cutoff_us AND processed_us IS NOT NULL ORDER BY seq LIMIT :limit

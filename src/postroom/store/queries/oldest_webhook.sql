SELECT seq FROM webhook_inbox ORDER BY seq LIMIT 1

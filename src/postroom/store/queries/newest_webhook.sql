SELECT seq FROM webhook_inbox ORDER BY seq DESC LIMIT 1

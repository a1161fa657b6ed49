SELECT * FROM webhook_inbox WHERE id = :id

DELETE FROM webhook_inbox WHERE seq = :seq AND id = :id

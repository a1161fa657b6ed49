DELETE FROM event_subscriptions WHERE id = :id

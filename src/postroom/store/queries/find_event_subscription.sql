-- locks
SELECT * FROM event_subscriptions WHERE id = :id

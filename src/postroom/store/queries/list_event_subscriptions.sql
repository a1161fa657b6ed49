SELECT * FROM event_subscriptions ORDER BY seq

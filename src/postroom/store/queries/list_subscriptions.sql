SELECT * FROM subscriptions ORDER BY seq

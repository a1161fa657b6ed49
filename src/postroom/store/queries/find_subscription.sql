SELECT * FROM subscriptions WHERE id = :id

SELECT count(*) AS count FROM event_subscriptions WHERE queue_id = :queue_id

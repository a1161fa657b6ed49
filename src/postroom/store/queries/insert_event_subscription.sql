INSERT INTO event_subscriptions (id, name, enabled, source, queue_id, queue, events, created_us, modified_us)
VALUES (:id, :name, :enabled, :source, :queue_id, :queue, :events, :now_us, :now_us)

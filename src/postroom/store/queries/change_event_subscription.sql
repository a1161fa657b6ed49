UPDATE event_subscriptions
SET name = :name, enabled = :enabled, queue_id = :queue_id, queue = :queue, events = :events, modified_us = :now_us
WHERE id = :id

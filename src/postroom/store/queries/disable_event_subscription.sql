UPDATE event_subscriptions SET enabled = 0, modified_us = :now_us WHERE id = :id

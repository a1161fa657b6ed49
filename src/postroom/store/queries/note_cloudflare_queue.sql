INSERT INTO cloudflare_queues (queue_id, modified_us) VALUES (:queue_id, :now_us)
ON CONFLICT (queue_id) DO UPDATE SET modified_us = excluded.modified_us

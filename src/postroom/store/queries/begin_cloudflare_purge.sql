INSERT INTO cloudflare_queues (queue_id, modified_us, purge_started_us) VALUES (:queue_id, :now_us, :now_us)
ON CONFLICT (queue_id) DO UPDATE SET purge_started_us = excluded.purge_started_us, purge_ended_us = NULL

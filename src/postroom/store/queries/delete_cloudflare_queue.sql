DELETE FROM cloudflare_queues WHERE queue_id = :queue_id

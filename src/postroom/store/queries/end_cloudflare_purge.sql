UPDATE cloudflare_queues SET purge_ended_us = :now_us WHERE queue_id = :queue_id

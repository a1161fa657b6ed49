SELECT * FROM cloudflare_queues

-- locks
SELECT * FROM cloudflare_consumers WHERE queue_id = :queue_id

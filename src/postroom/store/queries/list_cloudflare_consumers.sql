SELECT * FROM cloudflare_consumers

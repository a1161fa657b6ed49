DELETE FROM postroom_cloudflare_outbox WHERE seq = ?

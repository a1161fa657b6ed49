UPDATE postroom_cloudflare_outbox SET release_us = :release_us WHERE seq = :seq

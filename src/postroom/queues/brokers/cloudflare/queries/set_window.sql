INSERT OR REPLACE INTO postroom_cloudflare_windows (account_id, queue, window_us) VALUES (:account_id, :queue, :window_us)

SELECT window_us FROM postroom_cloudflare_windows WHERE account_id = :account_id AND queue = :queue

DELETE FROM postroom_cloudflare_known WHERE account_id = :account_id AND until_us <= :now_us

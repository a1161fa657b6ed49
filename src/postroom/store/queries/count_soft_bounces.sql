SELECT count(*) AS count FROM soft_bounces
WHERE address_key = :address_key AND channel = :channel AND at_us > :after_us

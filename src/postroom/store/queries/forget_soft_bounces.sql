DELETE FROM soft_bounces WHERE address_key = :address_key AND channel = :channel AND at_us <= :until_us

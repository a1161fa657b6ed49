SELECT * FROM suppressions
WHERE address_key = :address_key AND channel = :channel AND topic = :topic AND state = 'suppressed' AND seq > coalesce(
    (SELECT max(seq) FROM suppressions
    WHERE address_key = :address_key AND channel = :channel AND topic = :topic AND state = 'allowed'), 0)
ORDER BY seq

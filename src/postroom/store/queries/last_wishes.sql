SELECT seq, id, topic, state, source, at_us FROM suppressions
WHERE seq IN (
    (SELECT max(seq) FROM suppressions WHERE address_key = :address_key AND channel = :channel AND topic = '*'),
    (SELECT max(seq) FROM suppressions WHERE address_key = :address_key AND channel = :channel AND topic = :topic)
)

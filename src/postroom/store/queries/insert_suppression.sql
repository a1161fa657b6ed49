INSERT INTO suppressions
    (id, channel, address, address_key, topic, state, source, evidence, wording, reason, actor, at_us)
VALUES (:id, :channel, :address, :address_key, :topic, :state, :source, :evidence, :wording, :reason, :actor, :at_us)

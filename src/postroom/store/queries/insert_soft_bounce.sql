INSERT INTO soft_bounces (address_key, channel, evidence, at_us) VALUES (:address_key, :channel, :evidence, :at_us)
ON CONFLICT DO NOTHING

INSERT INTO unclear_wishes (id, channel, address, text, evidence, at_us)
VALUES (:id, :channel, :address, :text, :evidence, :at_us)

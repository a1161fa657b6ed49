INSERT INTO templates (id, channel, version, created_us, updated_us) VALUES (:id, :channel, 1, :now_us, :now_us)

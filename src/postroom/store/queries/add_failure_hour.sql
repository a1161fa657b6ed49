INSERT INTO failure_hours (fingerprint, hour_us, count) VALUES (:fingerprint, :hour_us, 1)
ON CONFLICT (fingerprint, hour_us) DO UPDATE SET count = failure_hours.count + 1

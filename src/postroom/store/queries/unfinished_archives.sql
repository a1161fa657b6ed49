SELECT * FROM archives WHERE target = :target AND state IN ('writing', 'verified') ORDER BY created_us, name

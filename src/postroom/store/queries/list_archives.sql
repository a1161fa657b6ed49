SELECT * FROM archives WHERE :target IS NULL OR target = :target ORDER BY created_us, name

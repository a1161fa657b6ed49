SELECT * FROM archives WHERE target = :target OR :target IS NULL ORDER BY created_us, name

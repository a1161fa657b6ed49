-- locks
SELECT * FROM archives WHERE name = :name

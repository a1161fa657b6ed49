-- locks
SELECT * FROM exports WHERE id = :id

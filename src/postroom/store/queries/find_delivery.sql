-- locks
SELECT * FROM deliveries WHERE id = :id

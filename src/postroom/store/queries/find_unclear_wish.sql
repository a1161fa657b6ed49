-- locks
SELECT * FROM unclear_wishes WHERE id = :id

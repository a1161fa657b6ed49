SELECT * FROM workers WHERE id = :id

UPDATE exports SET file = NULL, status = 'expired' WHERE id = :id

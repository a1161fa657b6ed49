UPDATE messages SET generation = generation + 1 WHERE id = :id

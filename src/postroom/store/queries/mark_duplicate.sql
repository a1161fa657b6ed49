UPDATE messages SET possible_duplicate = 1 WHERE id = :id

SELECT * FROM suppressions WHERE id = :id

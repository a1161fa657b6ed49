SELECT * FROM redrives WHERE id = :id

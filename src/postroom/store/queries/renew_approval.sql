UPDATE messages SET approved_sha256 = :sha256 WHERE id = :id AND approved_by IS NOT NULL

UPDATE messages SET complained = 1, version = version + 1 WHERE id = :id

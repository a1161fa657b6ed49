UPDATE messages SET opened = 1, version = version + 1 WHERE id = :id

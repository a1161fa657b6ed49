SELECT * FROM sessions WHERE digest = :digest

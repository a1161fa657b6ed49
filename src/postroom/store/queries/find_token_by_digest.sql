SELECT * FROM api_tokens WHERE digest = :digest

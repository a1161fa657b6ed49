INSERT INTO api_tokens (id, digest, start, user_id, label, scopes, created_us, expires_us)
VALUES (:id, :digest, :start, :user_id, :label, :scopes, :now_us, :expires_us)

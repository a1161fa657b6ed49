INSERT INTO sessions (digest, user_id, csrf, created_us, seen_us, ends_us)
VALUES (:digest, :user_id, :csrf, :now_us, :now_us, :ends_us)

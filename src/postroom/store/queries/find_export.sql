SELECT id, job_id, user_id, format, status, file, rows, bytes, sha256, created_us, finished_us, expires_us
FROM exports WHERE id = :id

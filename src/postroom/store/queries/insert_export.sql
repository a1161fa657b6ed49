INSERT INTO exports (id, job_id, user_id, format, status, created_us)
VALUES (:id, :job_id, :user_id, :format, :status, :now_us)
ON CONFLICT (id) DO UPDATE SET job_id = excluded.job_id, user_id = excluded.user_id, format = excluded.format,
    status = excluded.status, file = NULL, rows = NULL, bytes = NULL, sha256 = NULL, finished_us = NULL, expires_us = NULL

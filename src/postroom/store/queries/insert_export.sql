INSERT INTO exports (id, job_id, user_id, format, compression, status, created_us)
VALUES (:id, :job_id, :user_id, :format, :compression, :status, :now_us)
ON CONFLICT (id) DO UPDATE SET job_id = excluded.job_id, user_id = excluded.user_id, format = excluded.format,
    compression = excluded.compression, status = excluded.status, created_us = excluded.created_us, file = NULL,
    rows = NULL, bytes = NULL, sha256 = NULL, finished_us = NULL, expires_us = NULL, dataset = NULL, filters = NULL,
    columns = NULL, progress = NULL, started_us = NULL, changed_us = NULL, cancel_us = NULL, reason = NULL
WHERE exports.status = 'failed'

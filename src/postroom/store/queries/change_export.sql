UPDATE exports SET status = :status, file = :file, rows = :rows, bytes = :bytes, sha256 = :sha256, progress = 1,
    finished_us = :finished_us, changed_us = :finished_us, expires_us = :expires_us
WHERE id = :id AND job_id = :job_id

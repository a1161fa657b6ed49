UPDATE exports SET status = :status, file = :file, rows = :rows, bytes = :bytes, sha256 = :sha256,
    finished_us = :finished_us, expires_us = :expires_us
WHERE id = :id

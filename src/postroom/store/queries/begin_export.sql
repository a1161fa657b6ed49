UPDATE exports SET dataset = :dataset, filters = :filters, columns = :columns, progress = 0, rows = 0, bytes = 0,
    started_us = :now_us, changed_us = :now_us, reason = NULL
WHERE id = :id AND job_id = :job_id
RETURNING cancel_us

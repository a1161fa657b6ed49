UPDATE exports SET progress = :progress, rows = :rows, bytes = :bytes, changed_us = :now_us
WHERE id = :id AND job_id = :job_id
RETURNING cancel_us

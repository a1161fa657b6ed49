UPDATE exports SET cancel_us = :now_us,
    status = CASE WHEN status IN ('queued', 'scheduled', 'retry_scheduled') THEN 'cancelled' ELSE status END,
    finished_us = CASE WHEN status IN ('queued', 'scheduled', 'retry_scheduled') THEN :now_us ELSE finished_us END
WHERE id = :id AND status IN ('queued', 'scheduled', 'retry_scheduled', 'processing')

UPDATE jobs SET status = 'cancelled', updated_us = :now_us, finished_us = :now_us, next_us = NULL
WHERE id = :id AND status IN ('queued', 'scheduled', 'retry_scheduled')

UPDATE exports SET status = 'cancelled', finished_us = :now_us, changed_us = :now_us WHERE id = :id AND job_id = :job_id

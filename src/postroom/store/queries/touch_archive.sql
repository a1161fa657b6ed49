UPDATE archives SET touched_us = :now_us, deleted = deleted + :deleted, job_id = :job_id WHERE name = :name

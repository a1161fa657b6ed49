DELETE FROM attempts WHERE job_id = :id

-- locks
SELECT status, job_id FROM exports WHERE id = :id

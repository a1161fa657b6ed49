INSERT INTO attempts (job_id, number, started_us) VALUES (:job_id, :number, :now_us)
ON CONFLICT (job_id, number) DO UPDATE SET started_us = excluded.started_us, finished_us = NULL, outcome = NULL

INSERT INTO attempts (job_id, number, started_us, worker) VALUES (:job_id, :number, :now_us, :worker)
ON CONFLICT (job_id, number) DO UPDATE SET started_us = excluded.started_us, worker = excluded.worker, finished_us = NULL,
    outcome = NULL

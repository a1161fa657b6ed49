UPDATE schedules SET job_ids = :job_ids WHERE name = :name

INSERT INTO archives (name, target, state, job_id, created_us, touched_us) VALUES (:name, :target, 'writing', :job_id, :now_us, :now_us)

DELETE FROM attempts WHERE job_id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))

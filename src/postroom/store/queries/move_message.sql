UPDATE messages SET status = :status, version = version + 1, updated_us = :now_us,
    provider = coalesce(:provider, provider), provider_id = coalesce(:provider_id, provider_id),
    code = :code, reason = :reason, sent_us = coalesce(:sent_us, sent_us),
    delivered_us = coalesce(:delivered_us, delivered_us),
    possible_duplicate = CASE WHEN :possible_duplicate = 1 THEN 1 ELSE possible_duplicate END,
    job_id = coalesce(:new_job_id, job_id)
WHERE id = :id

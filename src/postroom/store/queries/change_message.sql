-- Only the job that is in charge of the message moves it.
UPDATE messages SET status = :status, updated_us = :now_us, provider = coalesce(:provider, provider),
    provider_id = coalesce(:provider_id, provider_id)
WHERE id = :id AND job_id = :job_id

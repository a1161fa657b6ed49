-- A callback may have been quicker than the answer: its state is kept.
UPDATE deliveries SET verdict = :verdict, code = coalesce(:code, code), detail = :detail,
    provider_id = coalesce(:provider_id, provider_id), ended_us = :now_us, updated_us = :now_us,
    state = CASE WHEN rank < :rank THEN :state ELSE state END, rank = CASE WHEN rank < :rank THEN :rank ELSE rank END
WHERE id = :id AND verdict IS NULL

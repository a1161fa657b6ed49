-- Only upwards, in one statement: two workers cannot interleave. `undone`: a soft bounce or a failure that was none.
UPDATE deliveries SET state = :state, rank = :rank, code = coalesce(:code, code),
    provider_id = coalesce(provider_id, :provider_id), updated_us = :now_us
WHERE id = :id AND (rank < :rank OR (:undone = 1 AND state IN ('bounced', 'failed'))
    OR (state = :corrects AND :corrects = 'delivered'))

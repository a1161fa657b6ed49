UPDATE jobs SET status = :status, attempts = CASE WHEN attempts < :attempts THEN :attempts ELSE attempts END,
    updated_us = :now_us, next_us = :next_us, finished_us = :finished_us, code = :code, reason = :reason,
    fingerprint = :fingerprint
WHERE id = :id

-- locks
SELECT seq, id, type, queue, reference, priority, status, attempts, max_attempts, created_us, updated_us, send_at_us,
       next_us, finished_us, code, reason, fingerprint, trace_id
FROM jobs WHERE id = :id

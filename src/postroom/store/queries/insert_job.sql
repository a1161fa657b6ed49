INSERT INTO jobs (id, type, queue, reference, priority, status, max_attempts, created_us, updated_us, send_at_us, trace_id)
VALUES (:id, :type, :queue, :reference, :priority, :status, :max_attempts, :now_us, :now_us, :send_at_us, :trace_id)

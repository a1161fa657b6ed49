INSERT INTO metric_minutes (minute_us, queue, span_us, done, failed, retried, waits, runs)
VALUES (:minute_us, :queue, :span_us, :done, :failed, :retried, :waits, :runs)
ON CONFLICT (span_us, minute_us, queue) DO UPDATE SET done = excluded.done, failed = excluded.failed,
    retried = excluded.retried, waits = excluded.waits, runs = excluded.runs

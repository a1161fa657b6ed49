INSERT INTO metric_minutes (minute_us, queue, span_us, done, failed, retried, waits, runs, entered, backlog, in_flight, oldest_us)
VALUES (:minute_us, :queue, :span_us, :done, :failed, :retried, :waits, :runs, :entered, :backlog, :in_flight, :oldest_us)
ON CONFLICT (span_us, minute_us, queue) DO UPDATE SET done = excluded.done, failed = excluded.failed,
    retried = excluded.retried, waits = excluded.waits, runs = excluded.runs, entered = excluded.entered,
    backlog = excluded.backlog, in_flight = excluded.in_flight, oldest_us = excluded.oldest_us

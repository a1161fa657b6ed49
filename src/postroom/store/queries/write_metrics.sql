INSERT OR REPLACE INTO metric_minutes (minute_us, queue, span_us, done, failed, retried, waits, runs) VALUES (:minute_us, :queue, :span_us, :done, :failed, :retried, :waits, :runs)

INSERT INTO workers (id, host, pid, version, queues, started_us, seen_us, running)
VALUES (:id, :host, :pid, :version, :queues, :started_us, :seen_us, :running)
ON CONFLICT (id) DO UPDATE SET seen_us = excluded.seen_us, running = excluded.running, queues = excluded.queues

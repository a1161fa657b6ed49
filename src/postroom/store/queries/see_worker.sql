INSERT INTO workers (id, host, pid, version, queues, started_us, seen_us, running, slots, work, memory_bytes, leases_lost)
VALUES (:id, :host, :pid, :version, :queues, :started_us, :seen_us, :running, :slots, :work, :memory_bytes, :leases_lost)
ON CONFLICT (id) DO UPDATE SET seen_us = excluded.seen_us, running = excluded.running, queues = excluded.queues,
    slots = excluded.slots, work = excluded.work, memory_bytes = excluded.memory_bytes, leases_lost = excluded.leases_lost

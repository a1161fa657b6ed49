INSERT INTO queue_holds (queue, kind, reason, actor, since_us, until_us) VALUES (:queue, :kind, :reason, :actor, :now_us, :until_us)
ON CONFLICT (queue) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, actor = excluded.actor,
    since_us = excluded.since_us, until_us = excluded.until_us

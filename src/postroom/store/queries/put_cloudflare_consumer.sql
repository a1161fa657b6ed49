INSERT INTO cloudflare_consumers (queue_id, consumer_id, kind, environment, settings, created_us)
VALUES (:queue_id, :consumer_id, :kind, :environment, :settings, :now_us)
ON CONFLICT (queue_id) DO UPDATE SET consumer_id = excluded.consumer_id, kind = excluded.kind,
    environment = excluded.environment, settings = excluded.settings, created_us = excluded.created_us

INSERT INTO schedules (name, cron, zone, next_us) VALUES (:name, :cron, :zone, :next_us)
ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, zone = excluded.zone, next_us = excluded.next_us, declared = 1

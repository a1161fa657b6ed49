INSERT INTO alert_rules (rule, threshold, silent_us, actor, changed_us) VALUES (:rule, :threshold, :silent_us, :actor, :now_us)
ON CONFLICT (rule) DO UPDATE SET threshold = excluded.threshold, silent_us = excluded.silent_us, actor = excluded.actor,
    changed_us = excluded.changed_us

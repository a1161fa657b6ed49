INSERT INTO turns (name, at_us) VALUES (:name, :now_us)
ON CONFLICT (name) DO UPDATE SET at_us = excluded.at_us WHERE turns.at_us <= :before_us OR turns.at_us > :now_us

UPDATE redrives SET holder = :holder, held_us = :until_us
WHERE id = :id AND state = 'running' AND (holder IS NULL OR holder = :holder OR held_us < :now_us)

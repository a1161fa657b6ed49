UPDATE redrives SET pending = :pending, held_us = :until_us WHERE id = :id AND state = 'running' AND holder = :holder

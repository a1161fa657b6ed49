UPDATE redrives SET rate = :rate, changed_us = :now_us WHERE id = :id AND state = 'running'

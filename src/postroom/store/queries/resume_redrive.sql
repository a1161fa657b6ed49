UPDATE redrives SET state = 'running', problem = NULL, ended_us = NULL, changed_us = :now_us, holder = NULL
WHERE id = :id AND state IN ('stopped', 'failed')

UPDATE redrives SET state = :state, problem = :problem, ended_us = :now_us, changed_us = :now_us, holder = NULL
WHERE id = :id AND state = 'running'

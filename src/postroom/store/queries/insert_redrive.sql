INSERT INTO redrives (id, queue, action, target, filter, rate, state, expected, actor, created_us, changed_us)
VALUES (:id, :queue, :action, :target, :filter, :rate, 'running', :expected, :actor, :now_us, :now_us)

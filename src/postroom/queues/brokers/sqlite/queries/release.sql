-- Back to its place by age, and the attempt is not counted.
UPDATE postroom_messages SET due_us = min(enqueued_us, :now_us), lease = 0, attempts = attempts - 1
WHERE lease = :token AND seq IN (SELECT value FROM json_each(:keys))

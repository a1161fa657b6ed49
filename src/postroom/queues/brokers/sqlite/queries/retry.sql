UPDATE postroom_messages SET due_us = :due_us, lease = 0
WHERE lease = :token AND seq IN (SELECT value FROM json_each(:keys))

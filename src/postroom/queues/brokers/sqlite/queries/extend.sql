UPDATE postroom_messages SET due_us = :until_us
WHERE lease = :token AND seq IN (SELECT value FROM json_each(:keys)) RETURNING seq

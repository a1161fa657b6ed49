-- Back to its place by age, and the attempt is not counted. What had lapsed before stays known as lapsed: its
-- :lease is a mark that is no token.
UPDATE postroom_messages SET due_us = min(enqueued_us, :now_us), lease = :lease, attempts = attempts - 1
WHERE lease = :token AND seq IN (SELECT value FROM json_each(:keys))

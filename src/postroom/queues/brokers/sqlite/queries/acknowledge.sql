-- The race is closed by `lease = :token`: whoever leased the message since has another token.
DELETE FROM postroom_messages WHERE lease = :token AND seq IN (SELECT value FROM json_each(:keys))

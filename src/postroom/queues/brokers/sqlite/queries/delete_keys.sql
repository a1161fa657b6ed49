DELETE FROM postroom_messages WHERE seq IN (SELECT value FROM json_each(:keys))

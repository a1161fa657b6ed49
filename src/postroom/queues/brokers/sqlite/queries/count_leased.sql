SELECT count(*) FROM postroom_messages WHERE seq IN (SELECT value FROM json_each(:keys)) AND lease <> 0

-- Those of the named messages whose former lease ran out, with their deliveries so far.
SELECT seq, attempts FROM postroom_messages WHERE seq IN (SELECT value FROM json_each(:keys)) AND lease <> 0

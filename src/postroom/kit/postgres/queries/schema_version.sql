SELECT version, needs FROM postroom_schema WHERE component = %s

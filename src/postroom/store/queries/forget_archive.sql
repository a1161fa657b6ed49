DELETE FROM archives WHERE name = :name AND state = 'writing'

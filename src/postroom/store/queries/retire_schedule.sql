UPDATE schedules SET declared = 0 WHERE name = :name

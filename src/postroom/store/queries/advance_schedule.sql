UPDATE schedules SET next_us = :next_us, due_us = :due_us, fired_us = :now_us WHERE name = :name AND next_us = :due_us AND paused = 0

UPDATE schedules SET next_us = :next_us WHERE name = :name AND next_us = :due_us

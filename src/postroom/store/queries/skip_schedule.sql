UPDATE schedules SET next_us = :next_us, skipped = skipped + 1 WHERE name = :name AND next_us = :due_us

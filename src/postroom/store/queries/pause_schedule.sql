UPDATE schedules SET paused = :paused, next_us = CASE WHEN :paused = 1 THEN next_us ELSE :next_us END
WHERE name = :name AND paused <> :paused

UPDATE redrives SET after = :after, pending = NULL, matched = matched + :matched, moved = moved + :moved,
    unroutable = unroutable + :unroutable, changed_us = :now_us, held_us = :until_us
WHERE id = :id AND holder = :holder

DELETE FROM workers WHERE seen_us < :before_us

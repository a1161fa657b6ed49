DELETE FROM rate_counts WHERE window_us < :oldest_us

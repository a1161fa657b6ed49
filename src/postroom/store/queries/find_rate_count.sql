SELECT count FROM rate_counts WHERE key = :key AND window_us = :window_us

INSERT INTO rate_counts (key, window_us, count) VALUES (:key, :window_us, :count)
ON CONFLICT (key, window_us) DO UPDATE SET count = rate_counts.count + excluded.count

SELECT * FROM workers WHERE seen_us >= :since_us ORDER BY started_us

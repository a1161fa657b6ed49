SELECT * FROM failures WHERE last_us < :before ORDER BY last_us DESC LIMIT :limit

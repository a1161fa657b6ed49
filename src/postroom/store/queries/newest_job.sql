SELECT seq, created_us FROM jobs ORDER BY seq DESC LIMIT 1

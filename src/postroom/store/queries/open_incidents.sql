-- locks
SELECT * FROM incidents WHERE closed_us IS NULL ORDER BY seq

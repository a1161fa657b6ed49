SELECT * FROM incidents ORDER BY seq DESC LIMIT :limit

SELECT * FROM redrives WHERE seq < :before ORDER BY seq DESC LIMIT :limit

SELECT * FROM unclear_wishes WHERE decision IS NULL AND seq > :after ORDER BY seq LIMIT :limit

SELECT * FROM queue_holds ORDER BY queue

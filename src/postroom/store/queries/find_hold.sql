SELECT * FROM queue_holds WHERE queue = :queue

DELETE FROM queue_holds WHERE queue = :queue

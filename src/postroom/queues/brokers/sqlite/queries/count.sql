UPDATE postroom_queues
SET backlog_count = backlog_count + :count, backlog_bytes = backlog_bytes + :bytes, in_flight = in_flight + :in_flight
WHERE id = :queue_id

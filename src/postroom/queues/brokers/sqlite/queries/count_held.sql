-- Leases that have not ended: among what is not due yet, which is little unless much is delayed.
SELECT count(*) FROM postroom_messages
WHERE queue_id = :queue_id AND priority IN (0, 1, 2) AND due_us > :now_us AND lease <> 0

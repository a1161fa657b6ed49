DELETE FROM message_events WHERE message_id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))

DELETE FROM message_keys WHERE message_id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))

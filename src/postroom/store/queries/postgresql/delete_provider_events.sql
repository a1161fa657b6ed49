DELETE FROM provider_events WHERE delivery_id IN
    (SELECT id FROM deliveries WHERE message_id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb))))

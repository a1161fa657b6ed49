SELECT * FROM provider_events WHERE delivery_id = :delivery_id ORDER BY seq

DELETE FROM provider_events WHERE delivery_id IN
    (SELECT id FROM deliveries WHERE message_id IN (SELECT value FROM json_each(:ids)))

SELECT * FROM provider_events WHERE delivery_id IS NULL
    AND (attempt_id = :delivery_id OR (provider_id IS NOT NULL AND provider_id = :provider_id))
ORDER BY seq

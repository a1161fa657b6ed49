SELECT seq FROM provider_events WHERE delivery_id = :delivery_id AND bounce = 'hard' LIMIT 1

UPDATE provider_events SET delivery_id = :delivery_id WHERE seq = :seq

INSERT INTO provider_events (receiver, event_id, kind, at_us, received_us, delivery_id, attempt_id, provider_id,
    rfc_message_id, code, bounce, suppress)
VALUES (:receiver, :event_id, :kind, :at_us, :received_us, :delivery_id, :attempt_id, :provider_id, :rfc_message_id,
    :code, :bounce, :suppress)
ON CONFLICT (receiver, event_id) DO NOTHING

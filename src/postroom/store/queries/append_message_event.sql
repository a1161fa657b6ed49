INSERT INTO message_events (message_id, at_us, kind, before, after, actor, delivery_id, provider, code, reason, details)
VALUES (:message_id, :at_us, :kind, :before, :after, :actor, :delivery_id, :provider, :code, :reason, :details)
RETURNING seq

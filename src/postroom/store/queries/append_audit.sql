INSERT INTO audit_log (at_us, actor, action, object_type, object_id, details)
VALUES (:at_us, :actor, :action, :object_type, :object_id, :details)

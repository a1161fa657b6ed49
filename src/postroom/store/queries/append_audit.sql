INSERT INTO audit_log (seq, at_us, actor, actor_role, address, action, object_type, object_id, request_id, before_sha256,
    after_sha256, details, key_id, hash)
VALUES (:seq, :at_us, :actor, :actor_role, :address, :action, :object_type, :object_id, :request_id, :before_sha256,
    :after_sha256, :details, :key_id, :hash)

SELECT * FROM audit_log WHERE object_type = :object_type AND object_id = :object_id AND seq < :before
ORDER BY seq DESC LIMIT :limit

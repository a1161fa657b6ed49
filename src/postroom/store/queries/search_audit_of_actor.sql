SELECT * FROM audit_log WHERE actor = :actor AND seq < :before AND seq >= :lowest
    AND (:action IS NULL OR action = :action) AND (:object_type IS NULL OR object_type = :object_type)
    AND at_us >= :from_us AND at_us < :until_us
ORDER BY seq DESC LIMIT :limit

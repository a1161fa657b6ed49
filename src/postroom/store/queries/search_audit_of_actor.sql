SELECT * FROM audit_log WHERE actor = :actor AND seq < :before AND seq >= :lowest
    AND (CAST(:action AS TEXT) IS NULL OR action = :action) AND (CAST(:object_type AS TEXT) IS NULL OR object_type = :object_type)
    AND at_us >= :from_us AND at_us < :until_us
ORDER BY seq DESC LIMIT :limit

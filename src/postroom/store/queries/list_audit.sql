SELECT * FROM audit_log
WHERE seq < :before AND (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
    AND (:object_type IS NULL OR object_type = :object_type) AND (:object_id IS NULL OR object_id = :object_id)
    AND at_us >= :from_us AND at_us < :until_us
ORDER BY seq DESC LIMIT :limit

SELECT * FROM audit_log
WHERE seq < :before AND (actor = :actor OR :actor IS NULL) AND (action = :action OR :action IS NULL)
    AND (object_type = :object_type OR :object_type IS NULL) AND (object_id = :object_id OR :object_id IS NULL)
    AND at_us >= :from_us AND at_us < :until_us
ORDER BY seq DESC LIMIT :limit

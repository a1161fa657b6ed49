SELECT seq, at_us, actor, action, object_type, object_id, details FROM audit_log
WHERE seq > :after AND seq <= :last AND at_us >= :from_us AND at_us < :until_us
  AND (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
ORDER BY seq LIMIT :limit

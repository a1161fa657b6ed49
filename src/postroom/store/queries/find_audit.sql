SELECT * FROM audit_log WHERE seq = :seq

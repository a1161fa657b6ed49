SELECT seq FROM audit_log WHERE seq < :seq LIMIT 1

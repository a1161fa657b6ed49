DELETE FROM audit_log WHERE seq BETWEEN :first AND :last

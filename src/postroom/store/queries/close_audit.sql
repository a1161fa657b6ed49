DELETE FROM audit_guard

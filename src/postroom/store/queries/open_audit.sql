INSERT INTO audit_guard (open) VALUES (1)

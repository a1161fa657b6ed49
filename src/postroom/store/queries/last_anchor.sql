SELECT * FROM audit_anchors ORDER BY seq DESC LIMIT 1

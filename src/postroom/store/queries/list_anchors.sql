SELECT * FROM audit_anchors ORDER BY seq

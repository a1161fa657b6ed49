SELECT * FROM audit_anchors WHERE kind = 'archived' ORDER BY seq DESC LIMIT 1

DELETE FROM audit_anchors WHERE kind = 'archived' AND seq = :seq

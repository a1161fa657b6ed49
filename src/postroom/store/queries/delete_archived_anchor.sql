DELETE FROM audit_anchors WHERE kind = 'archived' AND first_seq = :first_seq

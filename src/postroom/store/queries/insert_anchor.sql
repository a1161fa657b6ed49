INSERT OR REPLACE INTO audit_anchors (seq, first_seq, count, hash, kind, at_us, seal, key_id)
VALUES (:seq, :first_seq, :count, :hash, :kind, :at_us, :seal, :key_id)

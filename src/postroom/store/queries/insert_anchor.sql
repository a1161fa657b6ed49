INSERT INTO audit_anchors (seq, first_seq, count, hash, kind, at_us, seal, key_id)
VALUES (:seq, :first_seq, :count, :hash, :kind, :at_us, :seal, :key_id)
ON CONFLICT (seq) DO UPDATE SET first_seq = excluded.first_seq, count = excluded.count, hash = excluded.hash,
    kind = excluded.kind, at_us = excluded.at_us, seal = excluded.seal, key_id = excluded.key_id

-- The chain can only be cut at its beginning, so the first entry that is held keeps all that follow.
SELECT min(seq) AS seq FROM (
    SELECT a.seq, a.at_us FROM legal_holds AS h JOIN audit_log AS a ON a.actor = h.value
    WHERE h.lifted_us IS NULL AND h.kind = 'user'
    UNION ALL
    SELECT a.seq, a.at_us FROM legal_holds AS h JOIN audit_log AS a ON a.object_type = h.kind AND a.object_id = h.value
    WHERE h.lifted_us IS NULL AND h.kind IN ('message', 'job')
) AS held
WHERE at_us < :cutoff_us

-- The chain can only be cut at its beginning, so the first entry that is held keeps all that follow. Few things are held:
-- CROSS has SQLite begin with them.
SELECT min(seq) AS seq FROM (
    SELECT a.seq, a.at_us FROM legal_holds AS h CROSS JOIN audit_log AS a
    WHERE h.lifted_us IS NULL AND h.kind = 'user' AND a.actor = h.value
    UNION ALL
    SELECT a.seq, a.at_us FROM legal_holds AS h CROSS JOIN audit_log AS a
    WHERE h.lifted_us IS NULL AND h.kind IN ('message', 'job') AND a.object_type = h.kind AND a.object_id = h.value
) AS held
WHERE at_us < :cutoff_us

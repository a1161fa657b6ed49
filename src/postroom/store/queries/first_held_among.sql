-- The same among some of them.
SELECT min(seq) AS seq FROM (
    SELECT a.seq FROM legal_holds AS h CROSS JOIN audit_log AS a
    WHERE h.lifted_us IS NULL AND h.kind = 'user' AND a.actor = h.value AND a.seq BETWEEN :first AND :last
    UNION ALL
    SELECT a.seq FROM legal_holds AS h CROSS JOIN audit_log AS a
    WHERE h.lifted_us IS NULL AND h.kind IN ('message', 'job') AND a.object_type = h.kind AND a.object_id = h.value AND a.seq BETWEEN :first AND :last
) AS held

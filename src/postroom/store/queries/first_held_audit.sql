-- The chain can only be cut at its beginning, so the first entry that is held keeps all that follow.
SELECT min(a.seq) AS seq FROM audit_log AS a JOIN legal_holds AS h ON h.lifted_us IS NULL AND (
    (h.kind = 'user' AND h.value = a.actor) OR (h.kind IN ('message', 'job') AND h.value = a.object_id))
WHERE a.at_us < :cutoff_us

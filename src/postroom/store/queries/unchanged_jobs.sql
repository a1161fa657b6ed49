-- Of jobs that came out of an archive, those that are as they were then and that nobody holds: `rows` is a JSON array of
-- [job, its updated_us, attempts, message, its updated_us, events, calls, their last updated_us, reports].
SELECT j.id AS job_id, m.id AS message_id
FROM json_each(:rows) AS given
JOIN jobs AS j ON j.id = given.value ->> 0 AND j.updated_us = given.value ->> 1
LEFT JOIN messages AS m ON m.id = given.value ->> 3 AND m.job_id = j.id
WHERE (SELECT count(*) FROM attempts AS a WHERE a.job_id = j.id) = given.value ->> 2
    AND (given.value ->> 3 IS NULL OR (
        m.updated_us = given.value ->> 4
        AND (SELECT count(*) FROM message_events AS e WHERE e.message_id = m.id) = given.value ->> 5
        AND (SELECT count(*) FROM deliveries AS d WHERE d.message_id = m.id) = given.value ->> 6
        AND (SELECT coalesce(max(d.updated_us), 0) FROM deliveries AS d WHERE d.message_id = m.id) = given.value ->> 7
        AND (SELECT count(*) FROM deliveries AS d JOIN provider_events AS p ON p.delivery_id = d.id
             WHERE d.message_id = m.id) = given.value ->> 8))
    AND NOT EXISTS (
        SELECT 1 FROM legal_holds AS h WHERE h.lifted_us IS NULL AND (
            (h.kind = 'message' AND h.value = j.reference) OR (h.kind = 'job' AND h.value = j.id)
            OR (h.kind = 'recipient' AND h.value = m.recipient_key) OR (h.kind = 'user' AND h.value = m.author)))

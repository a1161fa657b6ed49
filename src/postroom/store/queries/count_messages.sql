SELECT status, count(*) AS count FROM messages GROUP BY status ORDER BY status

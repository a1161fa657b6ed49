-- From the first to the last key: what a table has at most, without counting it.
SELECT 'jobs' AS name, (SELECT seq FROM jobs ORDER BY seq LIMIT 1) AS first, (SELECT seq FROM jobs ORDER BY seq DESC LIMIT 1) AS last
UNION ALL SELECT 'messages', (SELECT seq FROM messages ORDER BY seq LIMIT 1), (SELECT seq FROM messages ORDER BY seq DESC LIMIT 1)
UNION ALL SELECT 'message_events', (SELECT seq FROM message_events ORDER BY seq LIMIT 1), (SELECT seq FROM message_events ORDER BY seq DESC LIMIT 1)
UNION ALL SELECT 'audit_log', (SELECT seq FROM audit_log ORDER BY seq LIMIT 1), (SELECT seq FROM audit_log ORDER BY seq DESC LIMIT 1)
UNION ALL SELECT 'webhook_inbox', (SELECT seq FROM webhook_inbox ORDER BY seq LIMIT 1), (SELECT seq FROM webhook_inbox ORDER BY seq DESC LIMIT 1)
UNION ALL SELECT 'provider_events', (SELECT seq FROM provider_events ORDER BY seq LIMIT 1), (SELECT seq FROM provider_events ORDER BY seq DESC LIMIT 1)

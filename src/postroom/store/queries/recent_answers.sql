-- What providers answered last, and what they reported: from the end of the feed of all messages, within a bounded stretch.
SELECT seq, message_id, at_us, kind, provider, code, after, delivery_id FROM message_events
WHERE seq >= (SELECT coalesce(max(seq), 0) FROM message_events) - 5000 AND kind IN ('concluded', 'reported')
ORDER BY seq DESC LIMIT :limit

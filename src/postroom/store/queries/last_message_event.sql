SELECT max(seq) AS seq FROM message_events

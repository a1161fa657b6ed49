SELECT * FROM messages WHERE status = 'pending_review' ORDER BY submitted_us LIMIT :limit

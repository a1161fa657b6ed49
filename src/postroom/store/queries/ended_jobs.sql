-- Jobs that are over with the messages they sent, oldest first, for the retention job; none that is held.
SELECT j.* FROM jobs AS j LEFT JOIN messages AS m ON m.id = j.reference AND m.job_id = j.id
WHERE j.seq > :after AND j.finished_us < :cutoff_us AND j.status <> 'uncertain'
    AND (m.id IS NULL OR (m.updated_us < :cutoff_us AND m.status IN
        ('sent', 'delivered', 'failed', 'bounced', 'cancelled', 'unconfirmed', 'rejected', 'expired')))
    AND NOT EXISTS (
        SELECT 1 FROM legal_holds AS h WHERE h.lifted_us IS NULL AND (
            (h.kind = 'message' AND h.value = j.reference) OR (h.kind = 'job' AND h.value = j.id)
            OR (h.kind = 'recipient' AND h.value = m.recipient_key) OR (h.kind = 'user' AND h.value = m.author)))
ORDER BY j.seq LIMIT :limit

-- Or a bounce of another part: a text message of which one part is missing has not been delivered.
SELECT seq FROM provider_events WHERE delivery_id = :delivery_id AND kind IN ('bounced', 'failed')
    AND (bounce = 'hard' OR provider_id <> :provider_id)
LIMIT 1

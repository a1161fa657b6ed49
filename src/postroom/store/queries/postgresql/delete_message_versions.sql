DELETE FROM message_versions WHERE message_id IN (SELECT value FROM jsonb_array_elements_text(CAST(:ids AS jsonb)) AS value)

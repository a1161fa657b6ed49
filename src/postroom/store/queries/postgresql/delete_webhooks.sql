DELETE FROM webhook_inbox WHERE seq IN (SELECT CAST(jsonb_array_elements_text(CAST(:seqs AS jsonb)) AS bigint))
    AND processed_us IS NOT NULL

SELECT count(*) AS count FROM webhook_inbox WHERE received_us < :cutoff_us AND processed_us IS NOT NULL

SELECT (SELECT count(*) FROM webhook_inbox WHERE processed_us IS NULL) AS waiting,
    (SELECT count(*) FROM webhook_inbox WHERE problem IS NOT NULL) AS problems

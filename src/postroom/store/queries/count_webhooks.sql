SELECT sum(processed_us IS NULL) AS waiting, sum(problem IS NOT NULL) AS problems FROM webhook_inbox

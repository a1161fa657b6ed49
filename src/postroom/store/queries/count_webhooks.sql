SELECT count(*) - count(processed_us) AS waiting, count(problem) AS problems FROM webhook_inbox

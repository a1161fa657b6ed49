DELETE FROM webhook_inbox WHERE seq IN (SELECT value FROM json_each(:seqs)) AND processed_us IS NOT NULL

INSERT INTO postroom_cloudflare_outbox
    (account_id, queue, id, body, content_type, priority, sent_us, meta, attempts, available_us, release_us)
VALUES (:account_id, :queue, :id, :body, :content_type, :priority, :sent_us, :meta, :attempts, :available_us, :release_us)

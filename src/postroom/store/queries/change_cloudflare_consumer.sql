UPDATE cloudflare_consumers SET kind = :kind, environment = :environment, settings = :settings
WHERE queue_id = :queue_id

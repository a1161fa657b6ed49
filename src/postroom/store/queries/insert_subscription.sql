INSERT INTO subscriptions (id, url, states, secret, created_us) VALUES (:id, :url, :states, :secret, :now_us)

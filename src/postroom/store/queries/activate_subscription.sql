UPDATE subscriptions SET active = :active WHERE id = :id

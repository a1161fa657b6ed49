SELECT * FROM provider_health WHERE provider = :provider

-- locks
SELECT * FROM deliveries WHERE provider_id = :provider_id ORDER BY claimed_us DESC LIMIT 1

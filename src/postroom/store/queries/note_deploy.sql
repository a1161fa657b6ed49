INSERT INTO deploys (at_us, version) VALUES (:now_us, :version) ON CONFLICT (at_us) DO NOTHING

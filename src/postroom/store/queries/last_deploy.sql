SELECT at_us, version FROM deploys ORDER BY at_us DESC LIMIT 1

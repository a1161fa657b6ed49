SELECT at_us, version FROM deploys WHERE at_us >= :since_us ORDER BY at_us

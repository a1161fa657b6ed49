SELECT id FROM unclear_wishes WHERE evidence = :evidence

SELECT * FROM failures WHERE fingerprint = :fingerprint

INSERT INTO failures (fingerprint, type, code, reason, count, first_us, last_us, first_version, last_version)
VALUES (:fingerprint, :type, :code, :reason, 1, :now_us, :now_us, :version, :version)
ON CONFLICT (fingerprint) DO UPDATE SET count = failures.count + 1, reason = excluded.reason, last_us = excluded.last_us,
    last_version = excluded.last_version

SELECT count(*) AS count FROM audit_log WHERE seq < :end AND at_us < :cutoff_us

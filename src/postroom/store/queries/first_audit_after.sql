SELECT min(seq) AS seq FROM audit_log WHERE at_us >= :cutoff_us

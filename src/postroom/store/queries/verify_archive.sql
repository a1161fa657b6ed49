UPDATE archives SET state = 'verified', rows = :rows, bytes = :bytes, sha256 = :sha256, first_seq = :first_seq,
    last_seq = :last_seq, first_us = :first_us, last_us = :last_us, touched_us = :now_us
WHERE name = :name AND state = 'writing'

UPDATE messages SET approved_by = :approved_by, approved_us = :now_us, approved_sha256 = :sha256,
    approval_ends_us = :ends_us
WHERE id = :id

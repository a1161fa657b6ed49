UPDATE messages SET submitted_us = :now_us, approved_by = NULL, approved_us = NULL, approved_sha256 = NULL,
    approval_ends_us = NULL
WHERE id = :id

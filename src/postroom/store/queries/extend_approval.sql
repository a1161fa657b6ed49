UPDATE messages SET approval_ends_us = :ends_us WHERE id = :id AND approval_ends_us IS NOT NULL

UPDATE templates SET version = :version, updated_us = :now_us WHERE id = :id

UPDATE templates SET archived = :archived, updated_us = :now_us WHERE id = :id

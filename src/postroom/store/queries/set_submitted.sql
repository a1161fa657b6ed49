UPDATE messages SET submitted_us = :now_us WHERE id = :id

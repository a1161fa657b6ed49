UPDATE archives SET state = :state, touched_us = :now_us WHERE name = :name

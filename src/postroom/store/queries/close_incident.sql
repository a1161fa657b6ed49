UPDATE incidents SET closed_us = :now_us WHERE seq = :seq

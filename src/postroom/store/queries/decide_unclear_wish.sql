UPDATE unclear_wishes SET decision = :decision, decided_by = :decided_by, decided_us = :now_us
WHERE id = :id AND decision IS NULL

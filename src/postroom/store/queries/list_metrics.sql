SELECT * FROM metric_minutes WHERE span_us = :span_us AND minute_us >= :since_us AND minute_us < :until_us ORDER BY minute_us

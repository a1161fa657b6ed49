DELETE FROM metric_minutes WHERE span_us = :span_us AND minute_us < :before_us

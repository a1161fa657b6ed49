SELECT * FROM metric_minutes WHERE span_us = :span_us AND minute_us = :minute_us AND queue = :queue

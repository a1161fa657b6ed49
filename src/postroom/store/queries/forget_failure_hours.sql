DELETE FROM failure_hours WHERE hour_us < :before_us

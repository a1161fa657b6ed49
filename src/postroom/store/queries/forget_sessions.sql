DELETE FROM sessions WHERE ends_us <= :now_us OR seen_us <= :idle_us

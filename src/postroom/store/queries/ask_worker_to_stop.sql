UPDATE workers SET stop_by = :actor WHERE id = :id AND seen_us >= :since_us

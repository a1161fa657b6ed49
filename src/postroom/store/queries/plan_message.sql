UPDATE messages SET send_at_us = :send_at_us, zone = :zone WHERE id = :id

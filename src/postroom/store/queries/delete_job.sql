DELETE FROM jobs WHERE id = :id AND updated_us = :updated_us

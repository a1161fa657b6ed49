SELECT fingerprint FROM jobs WHERE id = :id

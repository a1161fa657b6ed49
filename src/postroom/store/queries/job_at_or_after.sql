SELECT seq, created_us FROM jobs WHERE seq >= :seq ORDER BY seq LIMIT 1

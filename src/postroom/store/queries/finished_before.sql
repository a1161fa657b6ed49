-- Records of finished work, oldest first, for the retention job.
SELECT seq, id, type, queue, reference, priority, status, attempts, created_us, finished_us, code, reason FROM jobs
WHERE seq > :after AND finished_us IS NOT NULL AND finished_us < :cutoff_us ORDER BY seq LIMIT :limit

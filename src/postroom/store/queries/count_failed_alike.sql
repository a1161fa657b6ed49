-- Those that are failed still; bounded, so that a disaster stays quick to look at.
SELECT count(*) AS count FROM (SELECT 1 FROM jobs WHERE fingerprint = :fingerprint LIMIT :limit) AS found

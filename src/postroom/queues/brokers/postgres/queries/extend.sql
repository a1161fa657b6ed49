UPDATE postroom_messages AS message
SET until_us = $3 + postroom_moment($4)
FROM unnest($1::bigint[], $2::bigint[]) AS held (seq, token)
WHERE message.seq = held.seq AND message.lease = held.token
RETURNING message.seq

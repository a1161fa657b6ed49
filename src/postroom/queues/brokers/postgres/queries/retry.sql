UPDATE postroom_messages AS message
SET due_us = retry.delay_us + postroom_moment($4), lease = 0, until_us = 0
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS retry (seq, token, delay_us)
WHERE message.seq = retry.seq AND message.lease = retry.token
RETURNING message.seq

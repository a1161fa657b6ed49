-- Back to its place, and the attempt is not counted. What had lapsed before stays known as lapsed: its lease ($3) is
-- a mark that is no token.
UPDATE postroom_messages AS message
SET until_us = 0, lease = given_back.mark, attempts = attempts - 1
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS given_back (seq, token, mark)
WHERE message.seq = given_back.seq AND message.lease = given_back.token
RETURNING message.seq

-- The race is closed by the token: whoever leased the message since has another one. A late ack ($4) counts all the
-- same, and is told apart.
DELETE FROM postroom_messages AS message
USING unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[]) AS ack (seq, token, id, late)
WHERE message.seq = ack.seq AND message.id = ack.id AND (message.lease = ack.token OR ack.late)
RETURNING message.seq, message.lease = ack.token

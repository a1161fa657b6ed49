-- Deleted unless somebody has leased it meanwhile.
DELETE FROM postroom_messages
WHERE seq = ANY ($1::bigint[]) AND (lease = $3 OR until_us <= postroom_moment($2))
RETURNING queue_id, id

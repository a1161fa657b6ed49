SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint, min(sent_us) FROM postroom_messages WHERE queue_id = $1

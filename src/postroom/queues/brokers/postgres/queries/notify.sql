SELECT pg_notify('postroom', name) FROM unnest($1::text[]) AS name

-- One statement for all of them; the bodies come in one piece and are cut where each row says.
INSERT INTO webhook_inbox (id, receiver, received_us, method, url, headers, body)
SELECT
    value ->> 'id', value ->> 'receiver', (value ->> 'received_us')::bigint, value ->> 'method', value ->> 'url',
    value ->> 'headers', substr(CAST(:bodies AS bytea), 1 + (value ->> 'start')::integer, (value ->> 'length')::integer)
FROM jsonb_array_elements(CAST(:rows AS jsonb))

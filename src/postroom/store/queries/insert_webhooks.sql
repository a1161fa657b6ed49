-- One statement for all of them, so that the interpreter's lock changes hands once and not once a row.
INSERT INTO webhook_inbox (id, receiver, received_us, method, url, headers, body)
SELECT
    value ->> 'id', value ->> 'receiver', value ->> 'received_us', value ->> 'method', value ->> 'url',
    value ->> 'headers', substr(:bodies, 1 + (value ->> 'start'), value ->> 'length')
FROM json_each(:rows)

"""The key that is kept in the database where none is configured, so that every machine of a fleet has the same."""

import secrets
from typing import Any, Final

from psycopg import Connection

from postroom.store.postgresql import schema

AUDIT: Final = "audit"
KEY_BYTES: Final = 32


def kept_key(connection: Connection[Any], given: bytes | None = None) -> bytes:
    """The key, inside the open transaction; `given`, or a new one, where there is none yet."""
    schema.migrate(connection)
    schema.search(connection)
    made = (given or secrets.token_bytes(KEY_BYTES)).hex()
    connection.execute(
        b"INSERT INTO kept_keys (name, secret) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", [AUDIT, made]
    )
    row = connection.execute(b"SELECT secret FROM kept_keys WHERE name = %s", [AUDIT]).fetchone()
    assert row is not None
    return bytes.fromhex(row[0])

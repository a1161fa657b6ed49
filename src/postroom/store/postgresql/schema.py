"""The schema's history on PostgreSQL: who comes first applies it, everybody else waits for the lock and finds it done.

Several Postrooms of different age may run on one database while a fleet is brought up to date. A `pre` step is applied by
the first new process; `post` steps only by `postroom db migrate --post`, when no old process is left. So an older
Postroom goes on beside a newer schema until a `post` step that it does not know.
"""

from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from postroom.store.migrations import POSTGRESQL, Migration, SchemaTooNew, known
from postroom.store.postgresql.transaction import SCHEMA

LOCK: Final = 0x706F7374726F6F6D
"""Held while the schema is changed: "postroom"."""
TABLE: Final = "schema_steps"


class SchemaStatus(NamedTuple):
    """What has been applied, and what has not."""

    applied: tuple[str, ...]
    pre: tuple[str, ...]
    """Not applied yet; may be while older processes run."""
    post: tuple[str, ...]
    """Not applied yet; only once every process is new."""
    unknown: tuple[str, ...]
    """Applied by a newer Postroom."""


def migrate(connection: Connection[Any], *, post: bool = False) -> list[str]:
    """Bring the tables up to date inside the open transaction; returns the names of what was applied.

    An empty database gets everything; `post` steps of one that is in use are applied only where `post` says so, and a
    step never before those in front of it. Raises SchemaTooNew.
    """
    connection.execute(b"SELECT pg_advisory_xact_lock(%s)", [LOCK])
    found = status(connection)
    too_new = [name for name in found.unknown if name[5:].startswith("post_")]
    if too_new:
        raise SchemaTooNew(
            f"the database has the schema steps {', '.join(too_new)} of a newer Postroom; upgrade this one"
        )
    if not found.applied:
        connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(SCHEMA)))
        connection.execute(
            SQL("CREATE TABLE {} (name TEXT PRIMARY KEY, applied TIMESTAMPTZ NOT NULL DEFAULT now())").format(
                Identifier(SCHEMA, TABLE)
            )
        )
    search(connection)
    due = _due(found, post=post or not found.applied)
    for step in due:
        for statement in step.statements(POSTGRESQL):
            connection.execute(statement.encode())
        connection.execute(
            SQL("INSERT INTO {} (name) VALUES (%s)").format(Identifier(SCHEMA, TABLE)), [step.name]
        )
    return [step.name for step in due]


def status(connection: Connection[Any]) -> SchemaStatus:
    """How far the schema is."""
    there = connection.execute(b"SELECT to_regclass(%s)", [f"{SCHEMA}.{TABLE}"]).fetchone()
    applied: list[str] = []
    if there is not None and there[0] is not None:
        rows = connection.execute(SQL("SELECT name FROM {} ORDER BY name").format(Identifier(SCHEMA, TABLE)))
        applied = [name for (name,) in rows]
    steps = known()
    names = {step.name for step in steps}
    missing = [step for step in steps if step.name not in applied]
    return SchemaStatus(
        tuple(applied),
        tuple(step.name for step in missing if not step.post),
        tuple(step.name for step in missing if step.post),
        tuple(name for name in applied if name not in names),
    )


def search(connection: Connection[Any]) -> None:
    """Have the transaction find the application's tables, before any of the same name in other schemas."""
    connection.execute(
        b"SELECT set_config('search_path', concat_ws(', ', %s::text, nullif(current_setting('search_path'), '')), true)",
        [SCHEMA],
    )


def _due(found: SchemaStatus, *, post: bool) -> list[Migration]:
    """The steps to apply now, in order: up to the first `post` step that must wait."""
    due = []
    for step in known():
        if step.name in found.applied:
            continue
        if step.post and not post:
            break
        due.append(step)
    return due

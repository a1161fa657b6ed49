"""A component's schema: numbered files, applied once, in order, under a lock.

`NNNN_pre_*.sql` must let the code before it go on working, so whoever comes first applies it while old workers are
alive. `NNNN_post_*.sql` takes away what no code needs any more; it is applied only when somebody says that no old
code is left, and code that does not know it refuses to run from then on. Each step is recorded in `postroom_schema`
in its own transaction.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import psycopg

from postroom.kit.queries import load

SQL = load("postroom.kit.postgres")


class SchemaTooNew(RuntimeError):
    """The database was made by a newer Postroom; upgrade this one."""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    text: str

    @property
    def post(self) -> bool:
        """Whether it may only run when no older code is alive."""
        return self.name[5:].startswith("post_")


class SchemaState(NamedTuple):
    """How far a component's schema is."""

    version: int
    """Number of the last step; 0 for none."""
    pending: tuple[Migration, ...]
    """Steps that are not applied yet."""
    newer: bool
    """Whether a newer Postroom has applied steps that this one does not know, all of them `pre`."""


def known(package: str, folder: str = "schema") -> list[Migration]:
    """The migrations of a package, in order."""
    found = [entry for entry in files(package).joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return sorted(
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in found
    )


def version(connection: psycopg.Connection[Any], component: str) -> int:
    """The number of the last step that was applied; 0 for none."""
    return _version(connection, component)[0]


def state(connection: psycopg.Connection[Any], component: str, steps: Sequence[Migration]) -> SchemaState:
    """How far the schema is; raises SchemaTooNew when it has a `post` step that is not among the known ones."""
    last_applied, needs = _version(connection, component)
    last = steps[-1].number if steps else 0
    if needs > last:
        raise SchemaTooNew(
            f"the database has schema {last_applied} of {component} and can only be used by a Postroom that knows step "
            f"{needs}; this one knows up to {last}; upgrade Postroom"
        )
    pending = tuple(step for step in steps if step.number > last_applied)
    return SchemaState(last_applied, pending, last_applied > last)


def migrate(
    connection: psycopg.Connection[Any], component: str, steps: Sequence[Migration], *, post: bool = False
) -> list[str]:
    """Apply what is missing inside the open transaction; returns the names of what was applied.

    An empty database gets everything. Otherwise, without `post`, the first `post` step ends it. Raises SchemaTooNew.
    """
    found = state(connection, component, steps)
    if not found.pending:
        return []
    connection.execute(SQL.lock_schemas, prepare=False)
    connection.execute(SQL.make_schema_table, prepare=False)
    found = state(connection, component, steps)
    applied = []
    for step in found.pending:
        if step.post and found.version and not post:
            break
        # Without parameters a script of several statements is one message.
        connection.execute(step.text.encode(), prepare=False)
        values = (component, step.number, step.number if step.post else 0)
        connection.execute(SQL.put_schema_version, values, prepare=False)
        applied.append(step.name)
    return applied


def _version(connection: psycopg.Connection[Any], component: str) -> tuple[int, int]:
    # Asked in two steps, because the table may not be there and the transaction should not fail for it.
    row = connection.execute(SQL.has_schema_table, prepare=False).fetchone()
    if row is None or not row[0]:
        return 0, 0
    row = connection.execute(SQL.schema_version, (component,), prepare=False).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))

"""A component's schema: numbered files, applied once, in order, under a lock.

`NNNN_pre_*.sql` must let the code before it go on working; `NNNN_post_*.sql` may take away what no code needs any
more. Each file is one transaction together with its record in `postroom_schema`, which holds one number for each
component (`queues`, `application`).
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import psycopg

LOCK = 7_078_081_917_021_001
"""Of the advisory lock under which schemas are changed; any number that nobody else uses."""


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


def known(package: str, folder: str = "schema") -> list[Migration]:
    """The migrations of a package, in order."""
    found = [entry for entry in files(package).joinpath(folder).iterdir() if entry.name.endswith(".sql")]
    return sorted(
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in found
    )


def version(connection: psycopg.Connection[Any], component: str) -> int:
    """The number of the last file that was applied; 0 for none."""
    # Asked in two steps, because the table may not be there and the transaction should not fail for it.
    row = connection.execute("SELECT to_regclass('postroom_schema') IS NOT NULL", prepare=False).fetchone()
    if row is None or not row[0]:
        return 0
    row = connection.execute(
        "SELECT version FROM postroom_schema WHERE component = %s", (component,), prepare=False
    ).fetchone()
    return 0 if row is None else int(row[0])


def pending(
    connection: psycopg.Connection[Any], component: str, steps: Sequence[Migration]
) -> list[Migration]:
    """What has not been applied yet; raises SchemaTooNew."""
    found = version(connection, component)
    if steps and found > steps[-1].number:
        raise SchemaTooNew(
            f"the database has schema {found} of {component}, this Postroom knows up to {steps[-1].number}; "
            "upgrade Postroom"
        )
    return [step for step in steps if step.number > found]


def migrate(
    connection: psycopg.Connection[Any], component: str, steps: Sequence[Migration], *, post: bool = True
) -> list[str]:
    """Apply what is missing inside the open transaction; returns the names of what was applied.

    Without `post`, the first `post` file ends it: that is for later, when no older code is alive. Raises SchemaTooNew.
    """
    if not pending(connection, component, steps):
        return []
    # A lock of the transaction, not of the session, so that a pooler cannot leave it behind on a connection.
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,), prepare=False)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS postroom_schema (component text PRIMARY KEY, version integer NOT NULL)",
        prepare=False,
    )
    applied = []
    for step in pending(connection, component, steps):
        if step.post and not post:
            break
        # Without parameters a script of several statements is one message.
        connection.execute(step.text.encode(), prepare=False)
        connection.execute(
            "INSERT INTO postroom_schema (component, version) VALUES (%s, %s) "
            "ON CONFLICT (component) DO UPDATE SET version = excluded.version",
            (component, step.number),
            prepare=False,
        )
        applied.append(step.name)
    return applied

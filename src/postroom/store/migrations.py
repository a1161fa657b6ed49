"""The schema's history: numbered files, applied once, in order, each in one transaction.

`NNNN_pre_*.sql` must let the code before it go on working; `NNNN_post_*.sql` may take away what no code needs
any more.
"""

import sqlite3
from importlib.resources import files
from typing import NamedTuple

COMPONENT = "application"


class SchemaTooNew(RuntimeError):
    """The database was made by a newer Postroom; upgrade this one."""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    text: str


def known() -> list[Migration]:
    """Every migration, in order."""
    folder = files("postroom.store").joinpath("schema")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted(
        Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in found
    )


def migrate(connection: sqlite3.Connection) -> list[str]:
    """Bring the tables up to date inside the open transaction; returns the names of what was applied.

    Raises SchemaTooNew.
    """
    # The queue's own schema has made the table; see the SQLite broker.
    row = connection.execute(
        "SELECT version FROM postroom_schema WHERE component = ?", (COMPONENT,)
    ).fetchone()
    version = row[0] if row else 0
    steps = known()
    if version > steps[-1].number:
        raise SchemaTooNew(
            f"the database has schema {version}, this Postroom knows up to {steps[-1].number}; upgrade Postroom"
        )
    due = [step for step in steps if step.number > version]
    for step in due:
        for statement in _statements(step.text):
            connection.execute(statement)
        connection.execute(
            "INSERT OR REPLACE INTO postroom_schema (component, version) VALUES (?, ?)",
            (COMPONENT, step.number),
        )
    return [step.name for step in due]


def _statements(text: str) -> list[str]:
    """The statements of a script; a trigger's body has semicolons of its own."""
    found: list[str] = []
    part = ""
    for line in text.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found

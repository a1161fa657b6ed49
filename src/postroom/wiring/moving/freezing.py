"""Freezing the file that is moved: from then on every write is refused with the words where to go.

Triggers do it, so that processes that are running notice too, whatever their age.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from postroom.kit.sqlite import MOVED

PREFIX: Final = "postroom_moved_"
EVENTS: Final = ("INSERT", "UPDATE", "DELETE")


def freeze(connection: sqlite3.Connection) -> None:
    """Refuse every change from now on, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for table in tables(connection):
        for event in EVENTS:
            connection.execute(
                f"CREATE TRIGGER IF NOT EXISTS {PREFIX}{table}_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT raise(ABORT, '{MOVED}'); END"
            )
    connection.execute("COMMIT")


def thaw(connection: sqlite3.Connection) -> None:
    """Let the file be written to again."""
    connection.execute("BEGIN IMMEDIATE")
    for name in list(_triggers(connection)):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("COMMIT")


def frozen(connection: sqlite3.Connection) -> bool:
    """Whether the file is frozen."""
    return any(True for _ in _triggers(connection))


def tables(connection: sqlite3.Connection) -> list[str]:
    """Every table of Postroom's: of the queue and of the application."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return [name for (name,) in rows]


def _triggers(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return (name for (name,) in rows if name.startswith(PREFIX))

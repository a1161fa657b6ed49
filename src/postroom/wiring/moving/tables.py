"""What is moved: each table's rows as the source has them, and as the target must have them."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from psycopg import Connection

from postroom.store.postgresql.transaction import SCHEMA
from postroom.wiring.moving import freezing

Values = tuple[Any, ...]

NOT_MOVED: Final = frozenset({"audit_guard", "postroom_schema", "postroom_queues"})
"""What each side has of its own; queues are made before their messages."""


class Table(NamedTuple):
    """A table of both sides, with the same columns in the same order."""

    name: str
    source: str
    """Its columns in the source, as SQL."""
    target: str
    """The table in the target, as SQL."""
    columns: tuple[str, ...]
    """In the target."""
    key: tuple[str, ...]
    """What its rows go by, in the order of `columns`."""
    given: Callable[[Values], Values]
    """A row of the source as the target must have it."""
    append_only: str = ""
    """What lets rows be deleted for a moment, as SQL; empty where nothing hinders it."""
    in_source: str = "1 = 1"
    """Which rows of the source, as SQL."""
    in_target: str = "true"
    """And of the target."""

    def key_of(self, row: Values) -> Values:
        """A row's key, of either side."""
        return tuple(row[self.columns.index(name)] for name in self.key)


def tables(source: sqlite3.Connection, queues: Mapping[int, int]) -> list[Table]:
    """All there are; `queues` maps the source's numbers of queues to the target's."""
    found = [_messages(queues), *(_deduplication(*numbers) for numbers in queues.items())]
    own = {*NOT_MOVED, "postroom_messages", "postroom_deduplication"}
    found += [_application(source, name) for name in freezing.tables(source) if name not in own]
    return found


def make_queues(source: sqlite3.Connection, target: Connection[Any]) -> dict[int, int]:
    """Have every queue of the source in the target, with its settings; from their numbers to theirs."""
    made = {}
    for number, name, created_us, options, paused in source.execute(
        "SELECT id, name, created_us, options, paused FROM postroom_queues ORDER BY id"
    ):
        row = target.execute(
            "INSERT INTO postroom_queues (name, created_us, options, paused) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (name) DO UPDATE SET options = excluded.options, paused = excluded.paused, "
            "created_us = excluded.created_us, version = postroom_queues.version + 1 RETURNING id",
            (name, created_us, options, bool(paused)),
        ).fetchone()
        assert row is not None
        made[number] = row[0]
    return made


def _messages(queues: Mapping[int, int]) -> Table:
    columns = (
        "seq", "queue_id", "id", "priority", "due_us", "until_us", "sent_us", "enqueued_us", "attempts", "lease",
        "content_type", "body", "meta",
    )  # fmt: skip
    # A leased message is due when its lease ends; PostgreSQL keeps that end in a column of its own.
    source = (
        "seq, queue_id, id, priority, due_us, CASE WHEN lease <> 0 THEN due_us ELSE 0 END, sent_us, enqueued_us, "
        "attempts, lease, content_type, body, meta"
    )

    def given(row: Values) -> Values:
        return (row[0], queues[row[1]], *row[2:])

    return Table("postroom_messages", source, "postroom_messages", columns, ("seq",), given)


def _deduplication(theirs: int, ours: int) -> Table:
    """Of one queue: both sides have the keys of a queue in the same order, and the queues perhaps not."""
    columns = ("queue_id", "key", "message_id", "expires_us")

    def given(row: Values) -> Values:
        return (ours, row[1].encode(), *row[2:])

    return Table(
        "postroom_deduplication", ", ".join(columns), "postroom_deduplication", columns, ("key",), given,
        in_source=f"queue_id = {theirs:d}", in_target=f"queue_id = {ours:d}",
    )  # fmt: skip


def _application(source: sqlite3.Connection, name: str) -> Table:
    about = source.execute(f"PRAGMA table_info({name})").fetchall()
    columns = tuple(row[1] for row in about)
    keyed = sorted((row[5], row[1]) for row in about if row[5])
    key = tuple(column for _, column in keyed)

    guard = f"INSERT INTO {SCHEMA}.audit_guard (open) VALUES (1)" if name == "audit_log" else ""
    return Table(name, ", ".join(columns), f"{SCHEMA}.{name}", columns, key, _as_text_goes, guard)


def _as_text_goes(row: Values) -> Values:
    """PostgreSQL's text has no NUL."""
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)

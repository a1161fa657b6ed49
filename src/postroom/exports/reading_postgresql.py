"""Reading the rows of an export from PostgreSQL: one snapshot, window by window, on a connection of its own.

A REPEATABLE READ transaction holds the snapshot. It is read only and takes no locks, but rows that are deleted meanwhile
stay in their tables until it ends. The values come as they are; masking and the text of a row are made here.
"""

import contextlib
from typing import Any

from psycopg import Connection

from postroom.exports.datasets import Column
from postroom.exports.formats import Format, Page
from postroom.exports.reading import UNREADABLE, WINDOW, Bounds
from postroom.exports.request import Plan
from postroom.kit.redact import mask
from postroom.store.postgresql.store import PostgresqlStore
from postroom.store.postgresql.transaction import PostgresqlTransaction, bound
from postroom.store.queries import psycopg_text
from postroom.store.vault import Sealing, VaultError


class PostgresqlSnapshot:
    """In a read transaction of the server."""

    def __init__(self, store: PostgresqlStore, plan: Plan, form: Format, vault: Sealing) -> None:
        self._store = store
        self._plan = plan
        self._form = form
        self._vault = vault
        self._connection: Connection[Any] | None = None
        self._query = b""

    def open(self) -> Bounds:
        """Begin; returns the keys there are."""
        connection = self._connection = self._store.connect_snapshot()
        dataset = self._plan.dataset
        values = ", ".join(sql for column in self._plan.columns for sql in _values(column))
        # Names come from `datasets`, values are bound.
        text = (
            f"SELECT {values} FROM {dataset.source} WHERE {dataset.key} > :after AND {dataset.key} <= :up_to"  # noqa: S608
            f"{self._plan.where} ORDER BY {dataset.key}"
        )
        self._query = psycopg_text(text).encode()
        found = connection.execute(f"SELECT min(seq), max(seq) FROM {dataset.keys}".encode()).fetchone()  # noqa: S608
        first, last = found or (None, None)
        return Bounds(first or 1, last or 0)

    def page(self, after: int) -> Page:
        """The rows of the next window."""
        assert self._connection is not None
        values = bound({**self._plan.values, "after": after, "up_to": after + WINDOW})
        looking = PostgresqlTransaction(self._connection, self._store.chain, writing=False)
        found = self._connection.execute(self._query, values).fetchall()
        rows = [self._opened(looking, row) for row in found]
        if self._form.joint is None:
            return Page(len(rows), None, rows)
        return Page(len(rows), self._form.joint.join(map(self._form.line, rows)))

    def renew(self, last: int) -> None:
        """Nothing: there is no log that a snapshot would keep from being emptied."""

    def interrupt(self) -> None:
        """Have the page that is being read fail; from another thread."""
        connection = self._connection
        if connection is not None:
            # It may be closing just now.
            with contextlib.suppress(Exception):
                connection.cancel_safe(timeout=5)

    def close(self) -> None:
        """Let go of the snapshot."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _opened(self, looking: PostgresqlTransaction, row: tuple[Any, ...]) -> list[Any]:
        given, made = iter(row), []
        for column in self._plan.columns:
            value = next(given)
            if column.masked is not None:
                value = self._masked(looking, next(given), column.masked.field, value)
            made.append(value)
        return made

    def _masked(
        self, looking: PostgresqlTransaction, owner: str, field: str, value: str | None
    ) -> str | None:
        if value is None:
            return None
        try:
            return mask(self._vault.open_all(looking, owner, {field: value})[field])
        except VaultError:
            return UNREADABLE


def _values(column: Column) -> tuple[str, ...]:
    return (column.sql,) if column.masked is None else (column.masked.value, column.masked.owner)

"""Reading the rows of an export from SQLite: one snapshot, window by window, in a thread and on a connection of its own.

The connection's read transaction holds the snapshot, so the set does not move however long it takes. SQLite works without
the interpreter's lock, so senders go on meanwhile; what they write stays in the write-ahead log until the snapshot is let
go.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from postroom.exports.formats import Format, Page
from postroom.exports.request import Plan
from postroom.jobs.outcome import TemporaryError
from postroom.kit.redact import mask
from postroom.kit.sqlite import connect_reader
from postroom.store import AuditChain, Store, StoreTransaction
from postroom.store.sqlite import SqliteStore, SqliteTransaction
from postroom.store.vault import Sealing, VaultError

WINDOW: Final = 500
"""Keys a page; so many rows, or a few more or less."""
UNREADABLE: Final = "(unreadable)"


class Bounds(NamedTuple):
    """The keys of a snapshot."""

    first: int
    last: int

    def part(self, key: int) -> float:
        """How far a key is on the way, from 0 to 1."""
        return (
            min(1.0, (key - self.first + 1) / (self.last - self.first + 1))
            if self.last >= self.first
            else 1.0
        )


class Snapshot(Protocol):
    """Rows as they are when it is opened. All of it but `interrupt` belongs to one thread."""

    def open(self) -> Bounds:
        """Begin; returns the keys there are."""

    def page(self, after: int) -> Page:
        """The rows of the next window."""

    def renew(self, last: int) -> None:
        """Let go and begin anew behind the row of this key. Raises TemporaryError when that row is gone."""

    def interrupt(self) -> None:
        """Have the page that is being read fail; from another thread."""

    def close(self) -> None:
        """Let go of the snapshot."""


def snapshot_of(store: Store, vault: Sealing, plan: Plan, form: Format) -> Snapshot:
    """A snapshot of the store's database."""
    if isinstance(store, SqliteStore):
        return SqliteSnapshot(store.path, plan, form, vault, store.chain)
    from postroom.exports.reading_postgresql import PostgresqlSnapshot
    from postroom.store.postgresql.store import PostgresqlStore

    assert isinstance(store, PostgresqlStore)
    return PostgresqlSnapshot(store, plan, form, vault)


class SqliteSnapshot:
    """In a read transaction of the file."""

    def __init__(self, path: Path, plan: Plan, form: Format, vault: Sealing, chain: AuditChain) -> None:
        self._plan = plan
        self._form = form
        self._vault = vault
        self._chain = chain
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._keys: sqlite3.Connection | None = None
        self._query = self._careful = ""

    def open(self) -> Bounds:
        """Begin; returns the keys there are."""
        connection = self._connection = connect_reader(self._path)
        connection.create_function("postroom_masked", 3, self._masked)
        connection.execute("BEGIN")
        dataset = self._plan.dataset
        # Names come from `datasets`, values are bound.
        first, last = connection.execute(f"SELECT min(seq), max(seq) FROM {dataset.keys}").fetchone()  # noqa: S608
        rows = (
            f"FROM {dataset.source} WHERE {dataset.key} > :after AND {dataset.key} <= :up_to{self._plan.where} "
            f"ORDER BY {dataset.key}"
        )
        self._query, self._careful = (self._text(rows, careful=careful) for careful in (False, True))
        return Bounds(first or 1, last or 0)

    def page(self, after: int) -> Page:
        """The rows of the next window."""
        assert self._connection is not None
        values: dict[str, Any] = {**self._plan.values, "after": after, "up_to": after + WINDOW}
        if self._form.joint is None:
            found = self._connection.execute(self._query, values).fetchall()
            return Page(len(found), None, found)
        page = Page(*self._connection.execute(self._query, values).fetchone())
        if page.rows and not self._form.fits(page):
            page = Page(*self._connection.execute(self._careful, values).fetchone())
        return page

    def renew(self, last: int) -> None:
        """In a new transaction."""
        assert self._connection is not None
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN")
        first = self._connection.execute(f"SELECT min(seq) FROM {self._plan.dataset.keys}").fetchone()[0]  # noqa: S608
        if first is None or first > last:
            # Rows only leave from the beginning, so while this one is here all that follow are.
            raise TemporaryError("a cleanup has overtaken the export", code="overtaken")

    def _text(self, rows: str, *, careful: bool) -> str:
        row = self._form.row(careful=careful)
        if self._form.joint is None:
            return f"SELECT {row} {rows}"
        return f"SELECT count(*), group_concat(line, '{self._form.joint}') FROM (SELECT {row} AS line {rows})"  # noqa: S608

    def interrupt(self) -> None:
        """Have the page that is being read fail; from another thread."""
        connection = self._connection
        if connection is not None:
            # It may be closing just now.
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.interrupt()

    def close(self) -> None:
        """Let go of the snapshot."""
        for connection in (self._connection, self._keys):
            if connection is not None:
                connection.close()
        self._connection = self._keys = None

    def _masked(self, owner: str, field: str, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return mask(self._vault.open_all(self._looking, owner, {field: value})[field])
        except VaultError:
            return UNREADABLE

    @property
    def _looking(self) -> StoreTransaction:
        """Where data keys are looked up; a function must not use the connection that is calling it."""
        if self._keys is None:
            self._keys = connect_reader(self._path)
        return SqliteTransaction(self._keys, self._chain)

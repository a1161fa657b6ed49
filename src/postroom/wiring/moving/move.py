"""Moving everything from an SQLite file to PostgreSQL while the service works.

    copy ──► copy what changed meanwhile ──► freeze the file ──► copy the rest ──► everything compared

Rows are compared window by window, by their keys; what is missing or different in the target is written, what is too
much goes. So a move that was interrupted is just begun again, and passes over what is there already. Only the last pass
has the service stand still: the frozen file refuses every write, with the words where to go.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Connection

from postroom.store.migrations import COMPONENT, known
from postroom.store.postgresql.keeping import kept_key
from postroom.store.postgresql.transaction import SCHEMA
from postroom.wiring.moving.freezing import freeze, frozen
from postroom.wiring.moving.tables import Table, Values, make_queues, tables

WINDOW: Final = 1000
CALM_ROWS: Final = 1000
"""A pass that wrote fewer rows than this is followed by the last one."""
PASSES_MAX: Final = 5
MARK: Final = "moved_from"
"""Name of the row in which the target remembers whose rows it is getting."""
DONE: Final = "done "

Progress = Callable[[str, int], object]
"""Told of a table and of rows that were compared."""


class MoveRefused(Exception):
    """The target is somebody else's, or the source is not what it should be; the text says what to do."""


class Moved(NamedTuple):
    """One table, compared."""

    table: str
    rows: int
    sha256: str
    """Of its rows, the same on both sides."""


class Move:
    """From a file to a database; `key` is the audit trail's key that lies beside the file, if one does."""

    def __init__(self, source: Path, target: Connection[Any], key: bytes | None) -> None:
        self._path = source
        self._target = target
        self._key = key

    def begin(self) -> None:
        """Make sure that the target is empty, or was being filled from this source. Raises MoveRefused."""
        if not self._path.exists():
            raise MoveRefused(f"there is no {self._path}")
        with closing(self._open()) as source:
            self._check(source)
        mark = hashlib.sha256(str(self._path.resolve()).encode()).hexdigest()
        with self._target.transaction():
            kept = self._marked()
            if kept is None and self._in_use():
                raise MoveRefused("the target has jobs or messages of its own; name an empty database")
            if kept is not None and kept.startswith(DONE):
                raise MoveRefused("the target has been moved to already, and may be in use")
            if kept is not None and kept != mark:
                raise MoveRefused("the target is being filled from another file; name another database")
            kept_key(self._target, self._key)
            self._mark(mark)

    def totals(self) -> dict[str, int]:
        """Rows of each table in the source, for a progress bar."""
        with closing(self._open()) as source, self._target.transaction():
            found = tables(source, make_queues(source, self._target))
            return {
                one.name: source.execute(f"SELECT count(*) FROM {one.name}").fetchone()[0] for one in found
            }

    def copy(self, progress: Progress, again: Callable[[], object] = lambda: None) -> int:
        """Copy, and again what changed meanwhile, until little is left; returns rows written in the last pass.

        `again` is called before each further pass.
        """
        written = CALM_ROWS
        for number in range(PASSES_MAX):
            if written < CALM_ROWS:
                break
            if number:
                again()
            written = sum(count for _, count in self._pass(progress))
        return written

    def finish(self, progress: Progress) -> list[Moved]:
        """Freeze the file, copy the rest and compare everything; returns what was moved. Raises MoveRefused."""
        with closing(self._open()) as source:
            freeze(source)
        found = [moved for moved, _ in self._pass(progress)]
        with self._target.transaction():
            self._count(found)
            self._set_numbers([one.table for one in found])
            mark = self._marked()
            self._mark(f"{DONE}{mark}")
        return found

    def _check(self, source: sqlite3.Connection) -> None:
        there = source.execute("SELECT 1 FROM sqlite_master WHERE name = 'postroom_schema'").fetchone()
        query = "SELECT version FROM postroom_schema WHERE component = ?"
        row = there and source.execute(query, (COMPONENT,)).fetchone()
        if not row or row[0] != known()[-1].number:
            raise MoveRefused(
                f"{self._path.name} has another schema than this Postroom; bring it up to date first: "
                f"POSTROOM_DATABASE_URL=sqlite:///{self._path} postroom db migrate"
            )

    def frozen(self) -> bool:
        """Whether the file has been frozen."""
        with closing(self._open()) as source:
            return frozen(source)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=30)

    def _pass(self, progress: Progress) -> Iterator[tuple[Moved, int]]:
        with closing(self._open()) as source:
            with self._target.transaction():
                queues = make_queues(source, self._target)
            for table in tables(source, queues):
                yield self._reconcile(source, table, progress)

    def _reconcile(self, source: sqlite3.Connection, table: Table, progress: Progress) -> tuple[Moved, int]:
        """Have the target's rows be the source's; how many there are, and how many were written or deleted."""
        after: Values | None = None
        start: Values | None = None
        digest, rows, written = hashlib.sha256(), 0, 0
        while True:
            raw = _page(source, table, start)
            page = [table.given(row) for row in raw]
            # The last window has no end, so that rows which are no longer in the source go.
            up_to = table.key_of(page[-1]) if len(page) == WINDOW else None
            with self._target.transaction():
                written += self._window(table, page, after, up_to)
            for row in page:
                digest.update(_encoded(row))
            rows += len(page)
            progress(table.name, len(page))
            if up_to is None:
                return Moved(table.name, rows, digest.hexdigest()), written
            after, start = up_to, table.key_of(raw[-1])

    def _window(
        self, table: Table, page: Sequence[Values], after: Values | None, up_to: Values | None
    ) -> int:
        there = {table.key_of(row): row for row in self._rows(table, after, up_to)}
        missing = [row for row in page if there.get(table.key_of(row)) != row]
        wanted = {table.key_of(row) for row in page}
        gone = [key for key in there if key not in wanted] + [
            table.key_of(row) for row in missing if table.key_of(row) in there
        ]
        if not missing and not gone:
            return 0
        with self._target.cursor() as cursor:
            if gone and table.append_only:
                cursor.execute(table.append_only.encode())
            keys = " AND ".join([table.in_target, *(f"{name} = %s" for name in table.key)])
            cursor.executemany(f"DELETE FROM {table.target} WHERE {keys}".encode(), gone)
            if gone and table.append_only:
                cursor.execute(f"DELETE FROM {SCHEMA}.audit_guard".encode())
            names, marks = ", ".join(table.columns), ", ".join("%s" for _ in table.columns)
            text = f"INSERT INTO {table.target} ({names}) VALUES ({marks})"
            cursor.executemany(text.encode(), missing)
        left = self._rows(table, after, up_to)
        if left != list(page):
            raise MoveRefused(
                f"rows of {table.name} are not the same after they were written; is the target in use?"
            )
        return len(missing) + len(gone)

    def _rows(self, table: Table, after: Values | None, up_to: Values | None) -> list[Values]:
        names = ", ".join(table.key)
        marks = ", ".join("%s" for _ in table.key)
        parts = [table.in_target]
        parts += [f"({names}) > ({marks})"] if after is not None else []
        parts += [f"({names}) <= ({marks})"] if up_to is not None else []
        text = f"SELECT {', '.join(table.columns)} FROM {table.target} WHERE {' AND '.join(parts)} ORDER BY {names}"
        return [tuple(row) for row in self._target.execute(text.encode(), [*(after or ()), *(up_to or ())])]

    def _count(self, found: Sequence[Moved]) -> None:
        with closing(self._open()) as source:
            for table in tables(source, make_queues(source, self._target)):
                text = f"SELECT count(*) FROM {table.target}"
                row = self._target.execute(text.encode()).fetchone()
                rows = sum(one.rows for one in found if one.table == table.name)
                if row is None or row[0] != rows:
                    raise MoveRefused(
                        f"{table.name} has {rows} rows in the file and {row and row[0]} in the target"
                    )

    def _set_numbers(self, names: Sequence[str]) -> None:
        """The numbers that the target gives go on after those that are there."""
        for name in names:
            known = f"{SCHEMA}.{name}" if not name.startswith("postroom_") else name
            row = self._target.execute(
                b"SELECT pg_get_serial_sequence(%s, 'seq') FROM information_schema.columns"
                b" WHERE table_name = %s AND column_name = 'seq' LIMIT 1",
                [known, name],
            ).fetchone()
            if row is not None and row[0] is not None:
                text = f"SELECT setval(%s, max(seq)) FROM {known} HAVING max(seq) IS NOT NULL"
                self._target.execute(text.encode(), [row[0]])

    def _in_use(self) -> bool:
        row = self._target.execute(
            f"SELECT EXISTS (SELECT 1 FROM postroom_messages) OR EXISTS (SELECT 1 FROM {SCHEMA}.jobs)"
            f" OR EXISTS (SELECT 1 FROM {SCHEMA}.audit_log) OR EXISTS (SELECT 1 FROM {SCHEMA}.users)".encode()
        ).fetchone()
        return row is not None and row[0]

    def _marked(self) -> str | None:
        row = self._target.execute(
            f"SELECT secret FROM {SCHEMA}.kept_keys WHERE name = %s".encode(),
            [MARK],
        ).fetchone()
        return None if row is None else str(row[0])

    def _mark(self, mark: str) -> None:
        self._target.execute(
            f"INSERT INTO {SCHEMA}.kept_keys (name, secret) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET secret = excluded.secret".encode(),
            [MARK, mark],
        )


def _page(source: sqlite3.Connection, table: Table, after: Values | None) -> list[Values]:
    """The next rows of the source."""
    names, marks = ", ".join(table.key), ", ".join("?" for _ in table.key)
    more = f" AND ({names}) > ({marks})" if after is not None else ""
    text = f"SELECT {table.source} FROM {table.name} WHERE {table.in_source}{more} ORDER BY {names} LIMIT {WINDOW}"
    return source.execute(text, after or ()).fetchall()


def _encoded(row: Values) -> bytes:
    return msgspec.json.encode(row)

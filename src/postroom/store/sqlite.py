"""The application's tables in the queue's SQLite file.

Writes run in the queue's own transactions (`Queues.transact`), so that a record, its audit entry and the message in the
queue commit together and share one disk sync with what others do. Reads use a connection of their own in a thread of
their own.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from postroom.kit.clock import Clock
from postroom.kit.sqlite import connect_reader
from postroom.kit.tracing import Tracer
from postroom.queues import BrokerUnavailable, Queues
from postroom.store.queries import sqlite_queries
from postroom.store.store import Store
from postroom.store.transaction import AuditChain, Row, StoreTransaction

T = TypeVar("T")

PAGES_KEPT: Final = 2000
"""Free pages that stay, 8 MB: they will be needed again."""
INCREMENTAL: Final = 2

TEXTS: Final = {name: query.text for name, query in sqlite_queries().items()}


class SqliteTransaction(StoreTransaction):
    """On a `sqlite3.Connection`."""

    connection: sqlite3.Connection

    def run(self, query: str, **values: Any) -> int:
        """Execute a named query; returns the number of rows it changed."""
        return self.connection.execute(TEXTS[query], values).rowcount

    def run_many(self, query: str, rows: Sequence[Row]) -> None:
        """Execute a named query for each row of values."""
        self.connection.executemany(TEXTS[query], rows)

    def one(self, query: str, **values: Any) -> Row | None:
        """The first row of a named query, or None."""
        cursor = self.connection.execute(TEXTS[query], values)
        row = cursor.fetchone()
        return None if row is None else _named(cursor, row)

    def all(self, query: str, **values: Any) -> list[Row]:
        """Every row of a named query."""
        cursor = self.connection.execute(TEXTS[query], values)
        return [_named(cursor, row) for row in cursor]

    def lock(self, *names: str) -> None:
        """Nothing: who writes has the file to itself."""

    def put_back(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that were deleted."""
        if not rows:
            return
        known = {row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")}
        names = [name for name in rows[0] if name in known]
        text = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"  # noqa: S608
        self.connection.executemany(text, rows)


class SqliteStore(Store):
    """A file."""

    def __init__(self, queues: Queues, path: Path, clock: Clock, chain: AuditChain, tracer: Tracer) -> None:
        super().__init__(clock, chain, tracer, path.name)
        self.path = path
        self._queues = queues
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reader = connect_reader(path)

    async def write(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function in one durable transaction; see `Queues.transact` for what it may do."""
        afterwards: list[Callable[[], None]] = []
        # Asked here: the writer's thread knows nothing of the caller's context.
        trace = self.tracer.headers()

        def run(connection: sqlite3.Connection) -> T:
            transaction = SqliteTransaction(connection, self.chain)
            transaction.trace = trace
            result = function(transaction)
            transaction.finish()
            # Assigned, not added: a group that is rolled back runs its functions again.
            afterwards[:] = transaction.afterwards
            return result

        result = await self._queues.transact(run)
        for act in afterwards:
            act()
        return result

    async def read(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function on the reading connection; several queries in it may see different states."""
        with self.clock.working():
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(
                    self._reading, lambda: function(SqliteTransaction(self._reader, self.chain))
                )
            except sqlite3.OperationalError as error:
                raise BrokerUnavailable(f"{self.name} cannot be read: {error}") from error

    async def storage(self) -> dict[str, Any]:
        """The file, its pages, its log, and the room that is left beside it."""
        pages = await self.read(self._pages)
        folder, log = self.path.resolve().parent, self.path.with_name(self.path.name + "-wal")
        return {
            "databaseBytes": self.path.stat().st_size, "walBytes": log.stat().st_size if log.exists() else 0,
            "diskFreeBytes": shutil.disk_usage(folder).free, **pages,
        }  # fmt: skip

    def _pages(self, _: StoreTransaction) -> dict[str, Any]:
        names = {"pages": "page_count", "freePages": "freelist_count", "pageBytes": "page_size"}
        return {
            name: self._reader.execute(f"PRAGMA {pragma}").fetchone()[0] for name, pragma in names.items()
        }

    async def give_back(self, most: int) -> int:
        """Return free pages beyond PAGES_KEPT (https://www.sqlite.org/pragma.html#pragma_incremental_vacuum).

        A file that was made without incremental auto-vacuum keeps its free pages and uses them again; `VACUUM` while
        nothing runs would change that.
        """

        def step(connection: sqlite3.Connection) -> int:
            if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
                return 0
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
            count = min(most, max(0, free - PAGES_KEPT))
            for _ in range(count):
                # Whatever its number says, `sqlite3` takes one step of this pragma, which is a page, and no more.
                connection.execute("PRAGMA incremental_vacuum(1)").close()
            return int(count)

        return await self._queues.transact(step)

    async def close(self) -> None:
        """Let go of the reading connection."""
        self._reading.shutdown(wait=True)
        self._reader.close()


def _named(cursor: sqlite3.Cursor, row: Sequence[Any]) -> Row:
    return dict(zip((column[0] for column in cursor.description), row, strict=True))

"""Reading and writing the application's tables.

Writes run in the queue's own transactions (`Queues.transact`), so that a record, its audit entry and the
message in the queue commit together and share one disk sync with what others do. Reads use a connection of
their own in a thread of their own. The SQL is in `queries/`, named by verb.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from postroom.kit.clock import Clock
from postroom.kit.queries import load
from postroom.kit.sqlite import connect_reader
from postroom.kit.tracing import NoTracer, Tracer
from postroom.queues import BrokerUnavailable, Queues
from postroom.store.migrations import migrate

T = TypeVar("T")

SQL = load("postroom.store")

Row = dict[str, Any]


class AuditChain(Protocol):
    """What the audit trail is chained with; `postroom.audit` has it."""

    @property
    def key_id(self) -> str:
        """The key of new entries."""

    def hash(self, before: str, row: Mapping[str, Any]) -> str:
        """The hash of an entry."""

    def address(self, address: str | None) -> str | None:
        """A network address as the trail has it."""


class StoreTransaction:
    """One open transaction: named queries, rows as dictionaries."""

    def __init__(self, connection: sqlite3.Connection, chain: AuditChain) -> None:
        self.connection = connection
        self.chain = chain
        self.notes: dict[str, Any] = {}
        """What parts of the application remember for the length of the transaction, by their name."""
        self.afterwards: list[Callable[[], None]] = []
        """What to do once it has committed, in the event loop: announcements."""
        self.trace: Mapping[str, str] = {}
        """What continues the trace of who asked for it; goes with the messages that it sends."""

    def run(self, query: str, **values: Any) -> int:
        """Execute a named query; returns the number of rows it changed."""
        return self.connection.execute(getattr(SQL, query), values).rowcount

    def run_many(self, query: str, rows: Sequence[Row]) -> None:
        """Execute a named query for each row of values."""
        self.connection.executemany(getattr(SQL, query), rows)

    def one(self, query: str, **values: Any) -> Row | None:
        """The first row of a named query, or None."""
        cursor = self.connection.execute(getattr(SQL, query), values)
        row = cursor.fetchone()
        return None if row is None else _named(cursor, row)

    def all(self, query: str, **values: Any) -> list[Row]:
        """Every row of a named query."""
        cursor = self.connection.execute(getattr(SQL, query), values)
        return [_named(cursor, row) for row in cursor]


class Store:
    """The application's database; made by `open_store`."""

    def __init__(self, queues: Queues, path: Path, clock: Clock, chain: AuditChain, tracer: Tracer) -> None:
        self.path = path
        self.chain = chain
        self.clock = clock
        self.tracer = tracer
        self._queues = queues
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reader = connect_reader(path)

    async def write(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function in one durable transaction; see `Queues.transact` for what it may do."""
        afterwards: list[Callable[[], None]] = []
        # Asked here: the writer's thread knows nothing of the caller's context.
        trace = self.tracer.headers()

        def run(connection: sqlite3.Connection) -> T:
            transaction = StoreTransaction(connection, self.chain)
            transaction.trace = trace
            result = function(transaction)
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
                    self._reading, lambda: function(StoreTransaction(self._reader, self.chain))
                )
            except sqlite3.OperationalError as error:
                raise BrokerUnavailable(f"{self.path.name} cannot be read: {error}") from error

    async def close(self) -> None:
        """Let go of the reading connection."""
        self._reading.shutdown(wait=True)
        self._reader.close()


@asynccontextmanager
async def open_store(
    queues: Queues, path: Path, clock: Clock, *, chain: AuditChain, tracer: Tracer | None = None
) -> AsyncIterator[Store]:
    """The application's tables in the queue's file, brought up to date."""
    await queues.transact(migrate)
    store = Store(queues, path, clock, chain, tracer or NoTracer())
    try:
        yield store
    finally:
        await store.close()


def _named(cursor: sqlite3.Cursor, row: Sequence[Any]) -> Row:
    return dict(zip((column[0] for column in cursor.description), row, strict=True))

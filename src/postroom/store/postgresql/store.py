"""The application's tables in the queue's PostgreSQL database.

Writes run in the queue's own transactions (`Queues.transact`), so that a record, its audit entry and the message in the
queue commit together. What asks for a write while others are under way joins the next group, which shares one
transaction: one commit, and the head of the audit trail taken once. A function that fails must not fail its neighbours,
so its group is rolled back and its functions run again one by one. Reads have connections of their own.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from postroom.kit.clock import Clock
from postroom.kit.postgres import Address, PostgresError, Transactions, read_address
from postroom.kit.tracing import Tracer
from postroom.queues import BrokerUnavailable, Queues
from postroom.store.postgresql.schema import search
from postroom.store.postgresql.transaction import SCHEMA, PostgresqlTransaction
from postroom.store.store import Store
from postroom.store.transaction import AuditChain, Conflict, StoreTransaction

T = TypeVar("T")

READERS: Final = 2
LANES: Final = 3
"""Groups that are written at the same time: while one waits for the disk, another is made."""
GROUP_MAX: Final = 32
"""Functions in one transaction; it bounds how long what they lock is locked."""
CONFLICTS_MAX: Final = 10
PAUSE_SECONDS: Final = 0.005
PAGE_BYTES: Final = 8192
UNIQUE_VIOLATION: Final = "23505"
CONNECT_SECONDS: Final = 10


class _Call(Generic[T]):
    """A function that waits for its transaction."""

    def __init__(self, function: Callable[[StoreTransaction], T], trace: Any) -> None:
        self.function = function
        self.trace = trace
        self.result: T
        self.afterwards: list[Callable[[], None]] = []
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class PostgresqlStore(Store):
    """A database of a server."""

    def __init__(self, queues: Queues, url: str, clock: Clock, chain: AuditChain, tracer: Tracer) -> None:
        self._address: Address = read_address(url)
        super().__init__(clock, chain, tracer, self._address.name)
        self._queues = queues
        self._reading = Transactions(self._address.dsn, self._address.name, size=READERS)
        self._waiting: deque[_Call[Any]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def write(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function in one durable transaction, perhaps with others; see `Queues.transact` for what it may do.

        It runs again when another process was quicker (Conflict, a unique key that is there by now, a deadlock).
        """
        call = _Call(function, self.tracer.headers())
        with self.clock.working():
            self._waiting.append(call)
            if len(self._lanes) < LANES:
                lane = asyncio.create_task(self._write_groups(), name="store-writer")
                self._lanes.add(lane)
                lane.add_done_callback(self._lanes.discard)
            await call.future
        for act in call.afterwards:
            act()
        return call.result

    async def read(self, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function that sees one state of the database."""

        def run(connection: Connection[Any]) -> T:
            search(connection)
            return function(PostgresqlTransaction(connection, self.chain, writing=False))

        with self.clock.working():
            return await self._told(self._reading.read(run))

    async def storage(self) -> dict[str, Any]:
        """The database's size, the server's connections, and the age of the oldest transaction of the database."""

        def look(connection: Connection[Any]) -> dict[str, Any]:
            row = connection.execute(
                b"SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_activity),"
                b" current_setting('max_connections')::bigint, coalesce(extract(epoch FROM ("
                b"SELECT max(now() - xact_start) FROM pg_stat_activity"
                b" WHERE datname = current_database() AND pid <> pg_backend_pid())), 0)::float8"
            ).fetchone()
            assert row is not None
            names = ("databaseBytes", "connections", "connectionsMax", "oldestSnapshotSeconds")
            return dict(zip(names, row, strict=True))

        return await self._told(self._reading.read(look))

    async def give_back(self, most: int) -> int:
        """VACUUM the tables, whole: it holds nobody up; returns the pages that their files became shorter by."""
        try:
            return await asyncio.to_thread(self._vacuum)
        except psycopg.OperationalError as error:
            raise BrokerUnavailable(f"{self.name} cannot be vacuumed: {type(error).__name__}") from error

    async def close(self) -> None:
        """Finish what is being written, then let go of the connections."""
        while self._lanes:
            await asyncio.wait(self._lanes)
        await self._reading.close()

    def connect_snapshot(self) -> Connection[Any]:
        """A connection of the caller's own, in a transaction that sees the database as it is now until it ends."""
        connection = self._connect()
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        search(connection)
        return connection

    # Writing.

    async def _write_groups(self) -> None:
        while self._waiting:
            waiting = self._waiting
            group = [waiting.popleft() for _ in range(min(GROUP_MAX, len(waiting)))]
            try:
                await self._queues.transact(partial(self._run, group))
            except Exception as error:
                if isinstance(error, BrokerUnavailable):
                    _fail(group, error)
                elif len(group) == 1:
                    await self._run_alone(group[0], error)
                else:
                    for call in group:
                        await self._run_alone(call)
            _resolve(group)

    async def _run_alone(self, call: _Call[Any], error: Exception | None = None) -> None:
        """Run one function until it comes through; its future gets the error that it ends with."""
        for tried in range(CONFLICTS_MAX):
            if error is None:
                try:
                    await self._queues.transact(partial(self._run, [call]))
                except Exception as failed:
                    error = failed
                else:
                    return
            if not _is_conflict(error) or tried == CONFLICTS_MAX - 1:
                break
            await asyncio.sleep(PAUSE_SECONDS * 2**tried * random.random())
            error = None
        if error is not None:
            _fail([call], error)

    def _run(self, group: Sequence[_Call[Any]], connection: Connection[Any]) -> None:
        """In a thread: all of them in the open transaction."""
        search(connection)
        last: PostgresqlTransaction | None = None
        for call in group:
            transaction = PostgresqlTransaction(connection, self.chain, writing=True)
            transaction.trace = call.trace
            if last is not None:
                transaction.endings = last.endings
            call.result = call.function(transaction)
            call.afterwards = transaction.afterwards
            last = transaction
        if last is not None:
            last.finish()

    # Connections of its own.

    def _vacuum(self) -> int:
        with self._connect(autocommit=True) as connection:
            tables = connection.execute(
                b"SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA]
            ).fetchall()
            before = _size(connection)
            for (table,) in tables:
                connection.execute(SQL("VACUUM (ANALYZE) {}").format(Identifier(SCHEMA, table)))
            return max(0, (before - _size(connection)) // PAGE_BYTES)

    def _connect(self, *, autocommit: bool = False) -> Connection[Any]:
        # Nothing is prepared under a name, so that a pooler in transaction mode may stand in between.
        return psycopg.connect(
            self._address.dsn, autocommit=autocommit, connect_timeout=CONNECT_SECONDS, prepare_threshold=None,
            application_name="postroom",
        )  # fmt: skip

    async def _told(self, reading: Awaitable[T]) -> T:
        try:
            return await reading
        except PostgresError as error:
            raise BrokerUnavailable(f"{self.name} cannot be read: {error}") from error


def _size(connection: Connection[Any]) -> int:
    row = connection.execute(
        b"SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class AS c WHERE c.relkind = 'r'"
        b" AND c.relnamespace = %s::regnamespace",
        [SCHEMA],
    ).fetchone()
    return int(row[0]) if row is not None else 0


def _is_conflict(error: BaseException | None) -> bool:
    """Whether somebody else was quicker, so that the function would see it if it ran again."""
    while error is not None:
        if isinstance(error, Conflict) or getattr(error, "sqlstate", None) == UNIQUE_VIOLATION:
            return True
        error = error.__cause__
    return False


def _fail(group: Sequence[_Call[Any]], error: Exception) -> None:
    for call in group:
        if not call.future.done():
            call.future.set_exception(error)


def _resolve(group: Sequence[_Call[Any]]) -> None:
    for call in group:
        if not call.future.done():
            call.future.set_result(None)

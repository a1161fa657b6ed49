"""The SQLite broker.

Stores queues and messages in three tables of one file, which the application's own tables may share. What is
authoritative is the file, and the machine's clock for delays and leases. Exclusivity: a lease writes a random
token into the rows it takes, inside a write transaction, and every later act names that token.

    send, settle, lease  ──► the writer's thread ──► one transaction for all that waits (`kit.sqlite.writer`)
    peek, info, browse   ──► a second connection that only reads

Two processes race for a message: both are in line for the write lock, and the second finds it leased.
All capabilities are there; not for network file systems, where SQLite's locks do not hold.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from postroom.kit.queries import load
from postroom.kit.sqlite import SqliteWriter, StoreBusy, StoreFailed, StoreFull, StoreMoved, connect_reader
from postroom.queues.broker import (
    NO_SUSPECTS,
    Backlog,
    BrokerContext,
    Browsed,
    Capabilities,
    Lease,
    Leased,
    Outgoing,
    QueueInfo,
    Sent,
    Settlement,
)
from postroom.queues.brokers.sqlite import administration
from postroom.queues.brokers.sqlite.catalogue import Catalogue
from postroom.queues.brokers.sqlite.leasing import Extend, TakeLease, Wanted
from postroom.queues.brokers.sqlite.sending import Send, Store, read_backlog
from postroom.queues.brokers.sqlite.settling import Settle
from postroom.queues.brokers.sqlite.sweeping import Expired, sweep
from postroom.queues.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    QueueClosed,
    QueueError,
    QueueNotFound,
    StorageFull,
)
from postroom.queues.events import MessagesExpired, WakeUpsMissing
from postroom.queues.options import QueueOptions
from postroom.queues.signals import Signals

T = TypeVar("T")

CAPABILITIES = Capabilities(
    durable=True,
    shared=True,
    priority=True,
    deduplication=True,
    transactional_send=True,
    dead_letter_reason=True,
    extend=True,
    redrive=True,
    delay_seconds_max=None,
)

SCHEMA_VERSION = 1
"""Of `schema.sql`. A file with a later one was made by a newer Postroom and is not touched."""

LOOK_SECONDS = 0.5
"""How often a process with idle consumers looks whether the file changed, should a wake-up have been lost.
Real seconds, also under a virtual clock: it is patience, not schedule."""

COMMIT_WATCH_SECONDS = (0.0005, 0.05)
"""First and longest pause between looks whether the caller's transaction has ended."""


def open_url(url: str, context: BrokerContext) -> "SqliteBroker":
    """A broker for `sqlite:///relative.db` or `sqlite:////absolute/path.db`."""
    rest = url.removeprefix("sqlite://")
    path = unquote(rest.removeprefix("/"))
    if (
        not rest.startswith("/")
        or not path
        or path.endswith("/")
        or "?" in path
        or path.startswith(":memory:")
    ):
        raise ConfigurationError(
            f"{url!r} names no file; write sqlite:///postroom.db for a file in this folder, "
            "sqlite:////var/lib/postroom.db for an absolute path, memory:// for no file at all",
            key="url",
            value=url,
            allowed="sqlite:///PATH",
        )
    return SqliteBroker(Path(path), context)


class SqliteBroker:
    """One file; see the module."""

    capabilities = CAPABILITIES

    def __init__(self, path: Path, context: BrokerContext) -> None:
        self.path = path.absolute()
        self._clock = context.clock
        self._events = context.events
        self._catalogue = Catalogue(context.clock, context.create_queues)
        self.writer = SqliteWriter(
            self.path,
            context.clock,
            translate=_translate,
            closed=QueueClosed,
            rolled_back=self._catalogue.forget,
        )
        self._signals = Signals(context.clock)
        self._reading: ThreadPoolExecutor | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._file_version = -1
        self._warned = False
        self._watching: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open or make the file and its tables."""
        try:
            await self.writer.open(self._heard)
            await self.writer.call(partial(_make_schema, self.path.name))
            self._reader = connect_reader(self.path)
            # Of its own, so that a look from the loop never waits for a long read in the reader's thread.
            self._watcher = connect_reader(self.path)
        except (StoreFailed, BrokerError) as error:
            await self.writer.close()
            if isinstance(error, StorageFull | BrokerUnavailable):
                raise
            raise BrokerUnavailable(str(error)) from error
        except BaseException:
            await self.writer.close()
            raise
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"reader:{self.path.name}")

    async def send(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """One insert for all sends of the group; on disk when it returns."""
        return await self.writer.submit(Send(self._catalogue, queue, messages, self._filled))

    def enlist(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Write messages through the caller's open transaction on the same file.

        `transaction` is a `sqlite3.Connection` with a transaction open. Inside the writer's own thread (a
        function given to `writer.call`) the consumers are woken by that group's commit; elsewhere the
        connection is watched until its transaction ends.
        """
        if not isinstance(transaction, sqlite3.Connection):
            raise ConfigurationError(
                f"transaction is a {type(transaction).__name__}; this broker takes a sqlite3.Connection to the "
                "same file",
                key="transaction",
                allowed="a sqlite3.Connection with an open transaction",
            )
        inside = self.writer.owns(transaction)
        catalogue = self._catalogue if inside else Catalogue(self._clock, self._catalogue.create_queues)
        catalogue.refresh(transaction)
        store = Store(transaction, catalogue)
        stored = store.add(queue, messages)
        store.write()
        if inside:
            self._filled((queue,))
        else:
            self._watch(transaction, queue)
        return stored.sent()

    async def enlist_async(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """The same: there is nothing to wait for."""
        return self.enlist(transaction, queue, messages)

    async def transact(self, function: Callable[[Any], T]) -> T:
        """Run a function of the connection in the writer's thread, in one transaction with its neighbours.

        It may be called a second time when a neighbour fails, so it must have no effect outside the database.
        """
        return await self._call(function)

    async def lease(
        self,
        queue: str,
        *,
        limit: int,
        fewest: int,
        visibility_us: int,
        suspects: range = NO_SUSPECTS,
        busy: bool = False,
    ) -> Lease:
        """Take ready messages; the version is read first, so that what comes meanwhile is not slept over."""
        version = self._signals.version(queue)
        wanted = Wanted(queue, limit, fewest, visibility_us, suspects, busy)
        operation = TakeLease(self._catalogue, wanted)
        lease = await self.writer.submit(operation)
        self._announce(operation.expired)
        return lease._replace(version=version)

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        """One transaction for all settlements of the group."""
        return await self.writer.submit(Settle(self._catalogue, queue, settlement, self._filled))

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        """Move the end of leases whose tokens still stand."""
        return await self.writer.submit(Extend(self._catalogue, messages, visibility_us))

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Woken by this process, by a note from another, or by a look at the file."""
        if self._looking is None and not self.writer.closed:
            self._warn_if_deaf()
            self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        await self._signals.wait(queue, version=version, until_us=until_us)

    async def backlog(self, queue: str) -> Backlog:
        """Counts that are kept, not counted."""
        queue_id = await self._swept(queue)
        return await self._read(lambda connection: read_backlog(connection, queue_id))

    async def close(self) -> None:
        """Let consumers go, commit what waits, close the file."""
        self._signals.close()
        for task in list(self._watching):
            task.cancel()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        await self.writer.close()
        if self._reading is not None:
            self._reading.shutdown(wait=True)
            self._reading = None
            self._reader.close()
            self._watcher.close()

    # Administration.

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue or change its options."""
        return await self._call(lambda c: administration.create(c, self._catalogue, queue, options))

    async def delete(self, queue: str) -> bool:
        """Empty it in small transactions, then remove it."""
        if queue not in await self.names():
            return False
        while await self._call(lambda c: administration.empty_some(c, self._catalogue, queue)):
            continue
        return await self._call(lambda c: administration.drop(c, self._catalogue, queue))

    async def info(self, queue: str) -> QueueInfo:
        """Counts and settings."""
        queue_id = await self._swept(queue)
        found = await self._read(lambda c: administration.info(c, queue_id, self._catalogue.now_us()))
        if found is None:
            raise QueueNotFound(queue)
        return found

    async def names(self) -> Sequence[str]:
        """All queues of the file."""

        def names(connection: sqlite3.Connection) -> list[str]:
            return sorted(row[0] for row in connection.execute("SELECT name FROM postroom_queues"))

        return await self._read(names)

    async def pause(self, queue: str, paused: bool) -> None:
        """Kept in the file, so it holds for every process and over restarts."""
        await self._call(lambda c: administration.pause(c, self._catalogue, queue, paused))
        self._signals.changed(queue)
        self._tell(queue)

    async def purge(self, queue: str) -> int:
        """In small transactions, so that senders are not held up."""
        last = await self._call(administration.last_key)
        total = 0
        while deleted := await self._call(
            lambda c: administration.purge_some(c, self._catalogue, queue, last)
        ):
            total += deleted
        return total

    async def browse(self, queue: str, *, after: Any = None, limit: int = 100) -> Sequence[Browsed]:
        """In the order of arrival."""
        queue_id, now_us = await self._swept(queue), self._catalogue.now_us()
        return await self._read(lambda c: administration.browse(c, queue_id, now_us, after or 0, limit))

    async def peek(self, queue: str, limit: int) -> Sequence[Browsed]:
        """In the order of delivery."""
        queue_id, now_us = await self._swept(queue), self._catalogue.now_us()
        return await self._read(lambda c: administration.peek(c, queue_id, now_us, limit))

    async def find(self, queue: str, keys: Sequence[Any]) -> Sequence[Browsed]:
        """By primary key."""
        now_us = self._clock.now_us()
        return await self._read(lambda c: administration.find(c, now_us, keys))

    async def transfer(self, source: str, moves: Sequence[tuple[Any, str]]) -> int:
        """One transaction; what somebody holds or has taken stays where it is."""
        moved = await self._call(lambda c: administration.transfer(c, self._catalogue, source, moves))
        for target in {target for _, target in moves}:
            self._signals.changed(target)
            self._tell(target)
        return moved

    async def remove(self, queue: str, keys: Sequence[Any]) -> int:
        """One transaction."""
        return await self._call(lambda c: administration.remove(c, self._catalogue, queue, keys))

    # The border: threads, wake-ups and errors.

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await self.writer.call(function)

    async def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        if self._reading is None:
            raise QueueClosed
        with self._clock.working():
            try:
                return await asyncio.get_running_loop().run_in_executor(self._reading, function, self._reader)
            except sqlite3.Error as error:
                raise BrokerError(f"{self.path.name}: {error}") from error

    async def _swept(self, queue: str) -> int:
        """The queue's id, after a look for expired messages."""

        def look(connection: sqlite3.Connection) -> tuple[int, Expired]:
            self._catalogue.refresh(connection)
            expired = sweep(connection, self._catalogue)
            return self._catalogue.queue(connection, queue).id, expired

        queue_id, expired = await self._call(look)
        self._announce(expired)
        return queue_id

    def _announce(self, expired: Mapping[str, Sequence[str]]) -> None:
        for queue, ids in expired.items():
            self._events.emit(MessagesExpired(queue=queue, count=len(ids), ids=tuple(ids)))

    def _filled(self, queues: Iterable[str], expired: Mapping[str, Sequence[str]] | None = None) -> None:
        """In the writer's thread: what to do once the transaction is committed that made messages available."""
        for queue in queues:
            self.writer.after_commit(partial(self._tell, queue))
            self.writer.after_commit(partial(self._signals.changed, queue), in_loop=True)
        if expired:
            self.writer.after_commit(partial(self._announce, expired), in_loop=True)

    def _tell(self, queue: str) -> None:
        self.writer.peers.tell(queue.encode())

    def _heard(self, note: bytes) -> None:
        if note:
            self._signals.changed(note.decode(errors="replace"))
        else:
            self._signals.changed_all()

    def _warn_if_deaf(self) -> None:
        """Once, and not before somebody waits: it is consumers whom wake-ups matter to."""
        if self.writer.peers.deaf and not self._warned:
            self._warned = True
            because = (
                f"no socket could be made in {self.path.name}-peers: its path is too long, or not writable"
            )
            self._events.emit(
                WakeUpsMissing(file=self.path.name, retry_seconds=LOOK_SECONDS, because=because)
            )

    def _look(self) -> None:
        self._looking = None
        if self.writer.closed or not self._signals.waiting:
            return
        (version,) = self._watcher.execute("PRAGMA data_version").fetchone()
        if version != self._file_version:
            self._file_version = version
            self._signals.changed_all()
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _watch(self, transaction: sqlite3.Connection, queue: str) -> None:
        async def until_ended() -> None:
            pause, longest = COMMIT_WATCH_SECONDS
            while transaction.in_transaction:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, longest)
            self._signals.changed(queue)
            self._tell(queue)

        task = asyncio.get_running_loop().create_task(until_ended(), name=f"watch:{queue}")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)


def _make_schema(name: str, connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'postroom_schema'").fetchone():
        found = connection.execute(
            "SELECT version FROM postroom_schema WHERE component = 'queues'"
        ).fetchone()
        if found is not None and found[0] > SCHEMA_VERSION:
            raise StoreFailed(
                f"{name} has queue schema {found[0]}, this Postroom knows up to {SCHEMA_VERSION}; upgrade Postroom"
            )
    schema: Iterable[str] = load("postroom.queues.brokers", "sqlite").schema.split(";\n")
    for statement in schema:
        connection.execute(statement)


def _translate(error: StoreFailed) -> QueueError:
    if isinstance(error, StoreFull):
        return StorageFull(str(error))
    if isinstance(error, StoreBusy | StoreMoved):
        return BrokerUnavailable(str(error))
    return BrokerError(str(error))

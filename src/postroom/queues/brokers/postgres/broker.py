"""The PostgreSQL broker.

Stores queues and messages in tables `postroom_*` of one database, which the application's own tables may share, and
which any number of processes on any number of hosts may use. What is authoritative is the database, and its clock
for delays, leases and retention. Exclusivity: a lease locks the rows it takes (`FOR UPDATE SKIP LOCKED`), writes a
random token into them, and every later act names that token.

    send, settle, lease, ...  ──► groups of what waits ──► a few connections of the event loop (asyncpg)
    transact                  ──► threads with a connection each (psycopg)
    a connection of its own   ──► LISTEN: hints of other processes

Two processes race for a message: the second passes over rows that the first has locked, or finds them leased.
All capabilities are there.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from postroom.kit.postgres import (
    PostgresError,
    PostgresFull,
    PostgresUnreachable,
    Script,
    Statement,
    Transactions,
    WrongAddress,
    read_address,
)
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
from postroom.queues.brokers.postgres import administration, enlisting, schema
from postroom.queues.brokers.postgres.backlogs import Backlogs
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue
from postroom.queues.brokers.postgres.connections import Connections
from postroom.queues.brokers.postgres.grouping import Grouping
from postroom.queues.brokers.postgres.hints import Hints
from postroom.queues.brokers.postgres.leasing import Wanted, extend
from postroom.queues.brokers.postgres.listening import Listener
from postroom.queues.brokers.postgres.moments import Moments
from postroom.queues.brokers.postgres.rounds import Rounds
from postroom.queues.brokers.postgres.sending import Part, Stored, needs_transaction, store
from postroom.queues.brokers.postgres.settling import Settled
from postroom.queues.brokers.postgres.sweeping import Sweeper
from postroom.queues.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    QueueClosed,
    StorageFull,
)
from postroom.queues.events import MessagesExpired
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

CONNECTIONS = 8
"""Of the event loop; one more listens."""
SENDS_AT_ONCE = 2
"""Groups of sends on their way: while one commits, the next is prepared."""
MESSAGES_A_GROUP = 2000
SEND_PATIENCE_SECONDS = 5.0
"""For so long a send is tried again that certainly stored nothing."""


def open_url(url: str, context: BrokerContext) -> "PostgresBroker":
    """A broker for `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; see `kit.postgres.address` for its parameters."""
    return PostgresBroker(url, context)


class PostgresBroker:
    """One database; see the module."""

    capabilities = CAPABILITIES

    def __init__(self, url: str, context: BrokerContext) -> None:
        try:
            self._address = read_address(url)
        except WrongAddress as error:
            raise ConfigurationError(str(error), key="url") from None
        self._clock = context.clock
        self._events = context.events
        self._catalogue = Catalogue(Moments(context.clock), context.create_queues)
        self._signals = Signals(context.clock)
        self._connections = Connections(self._address, size=CONNECTIONS)
        self._transactions = Transactions(
            self._address.dsn, self._address.name, size=self._address.transactions
        )
        self._sweeper = Sweeper(self._catalogue)
        self._sweeping = asyncio.Lock()
        self._backlogs = Backlogs()
        self._hints = Hints(self._notify)
        self._listener: Listener | None = None
        # Named in hints, so that this process does not wake itself twice.
        self._instance = secrets.token_hex(6)
        self._enlisted: dict[int, set[str]] = {}
        self._open = False
        self._sends: Grouping[Part, Stored] = Grouping(
            self._store,
            context.clock,
            width=SENDS_AT_ONCE,
            size=MESSAGES_A_GROUP,
            weigh=lambda part: len(part[1]),
        )
        self._rounds = Rounds(self._connections, self._catalogue, context.clock)

    async def open(self) -> None:
        """Connect and make or change the tables."""
        with self._clock.working():
            try:
                await self._transactions.write(schema.migrate)
                await self._connections.run(self._catalogue.refresh, atomic=False)
            except (PostgresError, schema.SchemaTooNew) as error:
                await self._transactions.close()
                await self._connections.close()
                raise BrokerUnavailable(str(error)) from error
        self._open = True

    async def close(self) -> None:
        """Let consumers go, finish what waits, close the connections."""
        if not self._open:
            return
        self._open = False
        self._signals.close()
        await self._sends.finish()
        await self._rounds.finish()
        await self._hints.close()
        if self._listener is not None:
            await self._listener.stop()
        await self._transactions.close()
        await self._connections.close()

    # The hot verbs.

    async def send(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """One statement for all sends of the group; on disk when it returns."""
        self._check_open()
        await self._sweep_if_due()
        before = self._backlogs.get(queue)
        if before is None or not (self._backlogs.is_fresh(queue) or self._backlogs.is_dear(queue)):
            before = await self._count(queue)
        ids, duplicates = (await self._sends.submit((queue, messages)))[0]
        before = self._backlogs.get(queue) or before
        self._added(queue, messages, duplicates)
        return Sent(ids, duplicates, before)

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
        """Take ready messages, and settle on the way what was handled before.

        The version is read first, so that what comes meanwhile is not slept over.
        """
        self._check_open()
        version = self._signals.version(queue)
        await self._sweep_if_due()
        wanted = Wanted(queue, limit, fewest, visibility_us, suspects, busy)
        try:
            taken = await self._rounds.lease(wanted)
        except PostgresError as error:
            raise _in_our_words(error) from error
        self._announce(taken.expired)
        return taken.lease._replace(version=version)

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        """One transaction for all settlements of a round."""
        self._check_open()
        settled = Settled(queue, settlement)
        try:
            lost = await self._rounds.settle(settled)
        except PostgresError as error:
            raise _in_our_words(error) from error
        gone = [*settlement.acks, *(one.leased for one in settlement.dead)]
        if lost or not all(one.body for one in gone):
            # What was pulled is known by its lease alone; its size would have to be looked up.
            self._backlogs.forget(queue)
        else:
            self._backlogs.changed(queue, -len(gone), -sum(len(one.body) for one in gone))
        for dead in settlement.dead:
            self._backlogs.forget(dead.queue)
        self._filled(settled.filled())
        return lost

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        """Move the end of leases whose tokens still stand."""
        return await self._run(lambda: extend(self._catalogue, messages, visibility_us))

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Woken by this process, by a hint of another, or by a look now and then."""
        if self._listener is None and self._open:
            self._listener = Listener(
                self._address,
                pooled=self._connections.pooled,
                heard=self._heard,
                look=self._look,
            )
            await self._listener.start()
        await self._signals.wait(queue, version=version, until_us=until_us)

    async def backlog(self, queue: str) -> Backlog:
        """Counted; where that takes long, as it was counted a while ago with what this process did since."""
        await self._sweep_if_due()
        known = self._backlogs.get(queue)
        return known if known is not None and self._backlogs.is_dear(queue) else await self._count(queue)

    # Transactions.

    def enlist(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Write messages through the caller's open transaction; see `enlisting` for what is taken."""
        self._check_open()
        return enlisting.run_inside(transaction, self._enlist(transaction, queue, messages))

    async def enlist_async(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """The same for transactions that have to be awaited."""
        self._check_open()
        return await enlisting.run_inside_async(transaction, self._enlist(transaction, queue, messages))

    async def transact(self, function: Callable[[Any], T]) -> T:
        """Run a function of a `psycopg.Connection` in one durable transaction, in a thread of its own.

        It is run again as a whole after serialization failures, deadlocks and dropped connections, so it must have
        no effect outside the database. Isolation is the server's default (READ COMMITTED) unless the function's
        first statement is SET TRANSACTION.
        """
        self._check_open()
        enlisted: set[str] = set()

        def run(connection: Any) -> T:
            enlisted.clear()
            self._enlisted[id(connection)] = enlisted
            try:
                return function(connection)
            finally:
                del self._enlisted[id(connection)]

        with self._clock.working():
            try:
                result = await self._transactions.write(run)
            except PostgresError as error:
                raise _in_our_words(error) from error
        for queue in enlisted:
            self._backlogs.forget(queue)
        self._filled(enlisted)
        return result

    def _enlist(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Script[Sent]:
        before = self._backlogs.get(queue)
        if before is None:
            before = yield from administration.backlog(self._catalogue, queue)
        ((ids, duplicates),) = yield from store(self._catalogue, [(queue, messages)])
        enlisted = self._enlisted.get(id(transaction))
        if enlisted is None:
            # Delivered by the server when the transaction commits, to this process too.
            yield Statement(SQL.notify, ([f"- {queue}"],))
        else:
            enlisted.add(queue)
        return Sent(ids, duplicates, before)

    # Administration.

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue or change its options."""
        made = await self._run(lambda: administration.create(self._catalogue, queue, options), atomic=True)
        self._filled((queue,))
        return made

    async def delete(self, queue: str) -> bool:
        """Remove it, then empty it in small transactions."""
        self._backlogs.forget(queue)
        return await self._run(lambda: administration.delete(self._catalogue, queue))

    async def info(self, queue: str) -> QueueInfo:
        """Counted."""
        await self._sweep_if_due()
        return await self._run(lambda: administration.info(self._catalogue, queue))

    async def names(self) -> Sequence[str]:
        """All queues of the database."""
        return await self._run(administration.names)

    async def pause(self, queue: str, paused: bool) -> None:
        """Kept in the database, so it holds for every process and over restarts."""
        await self._run(lambda: administration.pause(self._catalogue, queue, paused))
        self._filled((queue,))

    async def purge(self, queue: str) -> int:
        """In small transactions, so that senders are not held up."""
        last = await self._run(administration.last_key)
        total = 0
        while deleted := await self._run(lambda: administration.purge_some(self._catalogue, queue, last)):
            total += deleted
        self._backlogs.forget(queue)
        return total

    async def browse(self, queue: str, *, after: Any = None, limit: int = 100) -> Sequence[Browsed]:
        """In the order of arrival."""
        await self._sweep_if_due()
        return await self._run(lambda: administration.browse(self._catalogue, queue, after or 0, limit))

    async def peek(self, queue: str, limit: int) -> Sequence[Browsed]:
        """In the order of delivery."""
        await self._sweep_if_due()
        return await self._run(lambda: administration.peek(self._catalogue, queue, limit))

    async def find(self, queue: str, keys: Sequence[Any]) -> Sequence[Browsed]:
        """By primary key."""
        return await self._run(lambda: administration.find(self._catalogue, queue, keys))

    async def transfer(self, source: str, moves: Sequence[tuple[Any, str]]) -> int:
        """One transaction; what somebody holds or has taken stays where it is."""
        moved = await self._run(lambda: administration.transfer(self._catalogue, source, moves), atomic=True)
        self._filled({target for _, target in moves})
        return moved

    async def remove(self, queue: str, keys: Sequence[Any]) -> int:
        """One statement."""
        return await self._run(lambda: administration.remove(self._catalogue, queue, keys))

    # The border: groups, wake-ups and errors.

    async def _run(self, make: Callable[[], Script[T]], *, atomic: bool = False) -> T:
        self._check_open()
        with self._clock.working():
            try:
                return await self._connections.run(make, atomic=atomic)
            except PostgresError as error:
                raise _in_our_words(error) from error

    async def _store(self, parts: Sequence[Part]) -> Sequence[Stored]:
        atomic = any(needs_transaction(messages) for _, messages in parts)
        try:
            stored = await self._connections.run_patiently(
                lambda _: store(self._catalogue, parts),
                atomic=atomic,
                seconds=SEND_PATIENCE_SECONDS,
                repeatable=False,
            )
        except PostgresError as error:
            raise _in_our_words(error) from error
        self._filled({name for name, _ in parts})
        return [Stored([one]) for one in stored]

    async def _count(self, queue: str) -> Backlog:
        return await self._backlogs.count(
            queue, lambda: self._run(lambda: administration.backlog(self._catalogue, queue))
        )

    def _added(self, queue: str, messages: Sequence[Outgoing], duplicates: frozenset[int]) -> None:
        size = sum(len(one.body) for index, one in enumerate(messages) if index not in duplicates)
        self._backlogs.changed(queue, len(messages) - len(duplicates), size, messages[0].sent_us)

    async def _sweep_if_due(self) -> None:
        now_us = self._clock.now_us()
        if not self._sweeper.is_due(now_us):
            return
        async with self._sweeping:
            if self._sweeper.is_due(self._clock.now_us()):
                self._announce(await self._run(lambda: self._sweeper.sweep(now_us)))

    def _announce(self, expired: Mapping[str, Sequence[str]]) -> None:
        for queue, ids in expired.items():
            self._backlogs.forget(queue)
            self._events.emit(MessagesExpired(queue=queue, count=len(ids), ids=tuple(ids)))

    def _filled(self, queues: Iterable[str]) -> None:
        for queue in queues:
            self._signals.changed(queue)
            self._hints.tell(queue)

    async def _notify(self, queues: Sequence[str]) -> None:
        payloads = [f"{self._instance} {queue}" for queue in queues]

        def tell() -> Script[None]:
            yield Statement(SQL.notify, (payloads,))

        try:
            await self._connections.run(tell, atomic=False)
        except PostgresError:
            # The others look now and then by themselves.
            return

    def _heard(self, payload: str) -> None:
        instance, _, queue = payload.partition(" ")
        if instance != self._instance:
            self._signals.changed(queue)

    def _look(self) -> None:
        if self._signals.waiting:
            self._signals.changed_all()

    def _check_open(self) -> None:
        if not self._open:
            raise QueueClosed


def _in_our_words(error: PostgresError) -> BrokerError:
    if isinstance(error, PostgresFull):
        return StorageFull(str(error))
    if isinstance(error, PostgresUnreachable):
        doubt = "; what was asked may have been done all the same" if error.uncertain else ""
        return BrokerUnavailable(f"{error}{doubt}")
    return BrokerError(str(error))

"""The Cloudflare broker: queues at the service, over its REST API.

Stores everything there but what it cannot hold, which an SQLite file keeps (`outbox`, with `database=` in the URL).
What is authoritative is the service, and its clock. Exclusivity is its lease. A consumer in Python pulls, so the
queue needs an `http_pull` consumer, which is added to a queue that has none. What is missing:

- a lease cannot be extended: set `visibility_timeout_ms` longer than a handler runs;
- there is no order by priority: a low message waits 5 s unless it has a delay of its own;
- what is given back at a stop has spent an attempt;
- the service tells neither what is delayed nor what is in flight, and lets at most 100 messages be looked at.

https://developers.cloudflare.com/queues/configuration/pull-consumers/
"""

import asyncio
import heapq
import itertools
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import structs

from postroom.kit.clock import MICROSECOND
from postroom.kit.cloudflare import CloudflareClient
from postroom.queues.broker import (
    LOW,
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
from postroom.queues.brokers.cloudflare.account import Directory, backlog_of, info_of
from postroom.queues.brokers.cloudflare.options import CloudflareOptions, read_url
from postroom.queues.brokers.cloudflare.outbox import DELAY_US, Held, Outbox
from postroom.queues.brokers.cloudflare.wire import Parcel, batches, browsed, leased, pack, ready_us
from postroom.queues.errors import (
    BrokerError,
    ConfigurationError,
    QueueClosed,
    QueueNotFound,
    UnsupportedCapability,
)
from postroom.queues.limits import (
    BATCH_COUNT_MAX,
    BATCH_TIMEOUT_SECONDS_MAX,
    DELAY_SECONDS_MAX,
    VISIBILITY_MS_MAX,
)
from postroom.queues.options import QueueOptions
from postroom.queues.signals import Signals

T = TypeVar("T")

CAPABILITIES: Final = Capabilities(
    durable=True,
    shared=True,
    priority=False,
    priority_as_delay=True,
    deduplication=False,
    transactional_send=False,
    dead_letter_reason=True,
    extend=False,
    redrive=True,
    counts=False,
    suspects=False,
    free_release=False,
    fractions=False,
    whole_bodies=False,
    delay_seconds_max=DELAY_SECONDS_MAX,
)
WITH_DATABASE: Final = structs.replace(
    CAPABILITIES, deduplication=True, transactional_send=True, delay_seconds_max=None
)
"""Where an SQLite file keeps what the service cannot."""
LOW_DELAY_US: Final = 5 * MICROSECOND
"""What a low message waits that has no delay of its own."""
FILL_MS: Final = BATCH_TIMEOUT_SECONDS_MAX * 1000
"""What a lease has to last longer where a batch may have to be filled."""
PAUSED: Final = "queue_delivery_paused"
HELD_MAX: Final = 20_000
"""Messages in the hands of this process, and moments, that are remembered."""


def open_url(url: str, context: BrokerContext) -> "CloudflareBroker":
    """A broker for `cloudflare://TOKEN@ACCOUNT_ID`."""
    return CloudflareBroker(read_url(url), context)


class _Kept(NamedTuple):
    """A message that was pulled and not handed over yet."""

    message: Leased
    since_us: int
    until_us: int


class CloudflareBroker:
    """Queues of an account; see the module."""

    def __init__(self, options: CloudflareOptions, context: BrokerContext) -> None:
        self._options = options
        self._clock = context.clock
        self._client = CloudflareClient(
            options.account_id, options.token, context.clock, base_url=options.base_url
        )
        self._directory = Directory(self._client, create_queues=context.create_queues)
        self._signals = Signals(context.clock)
        self._tokens = itertools.count(1)
        self._kept: dict[str, list[_Kept]] = {}
        self._held: dict[str, _Kept] = {}
        """By the service's lease: what was handed over and not settled, and until when it is ours."""
        self._dues: dict[str, list[int]] = {}
        """When something becomes available, as far as this process knows."""
        self._closed = True
        self._outbox: Outbox | None = None
        self.capabilities = CAPABILITIES
        if options.database is not None:
            self._outbox = Outbox(options.database, options.account_id, context.clock, self._release)
            self.capabilities = WITH_DATABASE

    async def open(self) -> None:
        """Make the pool of connections, and open the file."""
        await self._client.open()
        self._closed = False
        if self._outbox is not None:
            await self._outbox.open()

    async def send(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """In as few requests as it takes; what the service cannot hold goes into the file."""
        self._check()
        waiting = [one for one in messages if self._must_wait(one)]
        if waiting:
            # All of them, so that they are sent all or none.
            return await self._send_later(queue, messages)
        parcels = [self._pack(message) for message in messages]
        metrics = await self._push(queue, parcels)
        for message in messages:
            self._expect(queue, message.delay_us)
        self._signals.changed(queue)
        return Sent([one.id for one in messages], frozenset(), backlog_of(metrics))

    def enlist(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Write messages through the caller's open transaction on the file; they are pushed when it has committed."""
        self._check()
        outbox = self._needed_outbox()
        if not isinstance(transaction, sqlite3.Connection):
            raise ConfigurationError(
                f"transaction is a {type(transaction).__name__}; this broker takes a sqlite3.Connection to its "
                "database=",
                key="transaction", allowed="a sqlite3.Connection with an open transaction",
            )  # fmt: skip
        ids, duplicates = outbox.write(transaction, queue, messages)
        if outbox.writer.owns(transaction):
            outbox.writer.after_commit(outbox.rouse, in_loop=True)
        else:
            # Nobody tells when it commits: look again until it has.
            outbox.watch(transaction)
        return Sent(ids, frozenset(duplicates), Backlog(0, 0, None))

    async def enlist_async(self, transaction: Any, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """The same."""
        return self.enlist(transaction, queue, messages)

    async def transact(self, function: Callable[[Any], T]) -> T:
        """Run a function in one transaction of the file."""
        return await self._needed_outbox().writer.call(function)

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
        """Pull; where that is not enough for a batch, keep what came until there is more or the batch is due."""
        self._check()
        version = self._signals.version(queue)
        now_us = self._clock.now_us()
        kept = [one for one in self._kept.pop(queue, []) if one.until_us > now_us]
        try:
            if len(kept) < limit:
                kept += await self._pull(queue, limit - len(kept), fewest, visibility_us)
        finally:
            self._kept[queue] = kept
        ready = min(len(kept), limit)
        suspect = next(
            (one for one in kept[:ready] if one.message.lost and one.message.attempts in suspects), None
        )
        chosen = kept[: ready - ready % fewest]
        if suspect is not None:
            chosen = [] if busy else [suspect]
        self._kept[queue] = [one for one in kept if one not in chosen]
        if chosen:
            for one in chosen:
                self._hold(queue, one)
            return Lease([one.message for one in chosen], ready, None, None, version, suspect is not None)
        first_us = min((one.since_us for one in kept), default=None)
        return Lease((), len(kept), first_us, self._next_due(queue), version, suspect is not None)

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        """Dead letters are pushed first, then all is acknowledged or given back in one request."""
        self._check()
        settlement, lost = self._still_ours(settlement)
        for dead in settlement.dead:
            await self._send_anew(dead.queue, dead.leased, dead.meta, None, 0)
        late = [(one, delay_us) for one, delay_us in settlement.retries if delay_us > DELAY_US]
        for one, delay_us in late:
            await self._send_anew(queue, one, one.meta, delay_us, one.attempts)
        acks = [*settlement.acks, *(dead.leased for dead in settlement.dead), *(one for one, _ in late)]
        retries = [(one, delay_us) for one, delay_us in settlement.retries if delay_us <= DELAY_US]
        retries += [(one, 0) for one in settlement.released]
        if not acks and not retries:
            return lost
        body = {
            "acks": [{"lease_id": one.key} for one in acks],
            "retries": [
                {"lease_id": one.key, "delay_seconds": -(-delay_us // MICROSECOND)}
                for one, delay_us in retries
            ],
        }
        result = await self._directory.ask(queue, "POST", "/messages/ack", body)
        for one in acks:
            self._held.pop(one.key, None)
        for one, delay_us in retries:
            self._held.pop(one.key, None)
            self._expect(queue, delay_us)
        self._signals.changed(queue)
        warnings = (result or {}).get("warnings") or {}
        return [*lost, *(one for one in (*acks, *(one for one, _ in retries)) if one.key in warnings)]

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        """The service cannot; returns those whose lease has ended."""
        now_us = self._clock.now_us()
        return [
            one for one in messages if one.key not in self._held or self._held[one.key].until_us <= now_us
        ]

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Until this process sends something, or it is time to ask again: that is patience, so in real seconds."""
        loop = asyncio.get_running_loop()
        asking = loop.call_later(self._options.poll_seconds, self._signals.changed, queue)
        try:
            await self._signals.wait(queue, version=version, until_us=until_us)
        finally:
            asking.cancel()

    async def backlog(self, queue: str) -> Backlog:
        """The service's figures, and what the file keeps."""
        self._check()
        there = backlog_of(await self._directory.ask(queue, "GET", "/metrics"))
        if self._outbox is None:
            return there
        held = await self._outbox.backlog(queue)
        oldest = min((us for us in (there.oldest_us, held.oldest_us) if us is not None), default=None)
        return Backlog(there.messages + held.messages, there.bytes + held.bytes, oldest)

    async def close(self) -> None:
        """Give back what was not handed over, and close everything."""
        if self._closed:
            return
        self._signals.close()
        for queue, kept in self._kept.items():
            if kept:
                released = [one.message for one in kept]
                try:
                    await self.settle(queue, Settlement(released=released))
                except (BrokerError, QueueNotFound):
                    # They come again when their leases end.
                    continue
        self._kept.clear()
        self._closed = True
        if self._outbox is not None:
            await self._outbox.close()
        await self._client.close()

    # Administration.

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue with a puller, or change the options of an existing one."""
        self._check()
        if self._outbox is not None and options is not None:
            await self._outbox.remember(queue, options.deduplication_window)
        return await self._directory.create(queue, options)

    async def delete(self, queue: str) -> bool:
        """Remove it there, and what the file keeps for it."""
        self._check()
        if self._outbox is not None:
            await self._outbox.purge(queue)
        self._kept.pop(queue, None)
        return await self._directory.delete(queue)

    async def info(self, queue: str) -> QueueInfo:
        """As the service shows it."""
        self._check()
        await self._directory.id(queue)
        found = await self._directory.find(queue)
        if found is None:
            self._directory.forget(queue)
            raise QueueNotFound(queue, tuple(await self.names()))
        return info_of(found, await self.backlog(queue))

    async def names(self) -> Sequence[str]:
        """All queues of the account."""
        self._check()
        return await self._directory.names()

    async def pause(self, queue: str, paused: bool) -> None:
        """At the service, so it holds for everybody."""
        self._check()
        body = {"queue_name": queue, "settings": {"delivery_paused": paused}}
        await self._directory.ask(queue, "PATCH", "", body)
        self._signals.changed(queue)

    async def purge(self, queue: str) -> int:
        """The service does not say how many; what it counted before is told."""
        self._check()
        count = backlog_of(await self._directory.ask(queue, "GET", "/metrics")).messages
        await self._directory.ask(queue, "POST", "/purge", {"delete_messages_permanently": True})
        return count + (await self._outbox.purge(queue) if self._outbox is not None else 0)

    async def browse(self, queue: str, *, after: Any = None, limit: int = 100) -> Sequence[Browsed]:
        """The next messages; the service has no second page."""
        return () if after is not None else await self.peek(queue, min(limit, BATCH_COUNT_MAX))

    async def peek(self, queue: str, limit: int) -> Sequence[Browsed]:
        """In the order in which the service shows them."""
        self._check()
        result = await self._directory.ask(queue, "POST", "/messages/peek", {"batch_size": limit})
        return [browsed(one) for one in (result or {}).get("messages") or []]

    async def find(self, queue: str, keys: Sequence[Any]) -> Sequence[Browsed]:
        """What this process holds, else among the messages that the service shows."""
        held = [self._held[key].message for key in keys if key in self._held]
        if held:
            return [
                Browsed(
                    one.key, one.id, one.body, one.content_type, one.priority, one.sent_us, one.attempts,
                    one.sent_us, True, one.meta,
                )
                for one in held
            ]  # fmt: skip
        wanted = set(keys)
        return [one for one in await self.peek(queue, BATCH_COUNT_MAX) if one.key in wanted]

    async def transfer(self, source: str, moves: Sequence[tuple[Any, str]]) -> int:
        """Pushed to the other queue, then purged here: a process that dies in between leaves both."""
        targets = dict(moves)
        found = await self.find(source, list(targets))
        for one in found:
            message = Outgoing(
                one.id, one.body, one.content_type, one.priority, None, None, one.sent_us, one.meta
            )
            await self._push(targets[one.key], [pack(message, enveloped=True)], create=True)
            self._expect(targets[one.key], None)
            self._signals.changed(targets[one.key])
        return await self.remove(source, [one.key for one in found])

    async def remove(self, queue: str, keys: Sequence[Any]) -> int:
        """By the references of a look."""
        self._check()
        if not keys:
            return 0
        body = {"refs": [{"ref": key} for key in keys]}
        result = await self._directory.ask(queue, "POST", "/messages/purge", body)
        return len(keys) - len((result or {}).get("warnings") or ())

    # What the verbs share.

    def _check(self) -> None:
        if self._closed:
            raise QueueClosed

    def _needed_outbox(self) -> Outbox:
        if self._outbox is None:
            raise UnsupportedCapability(
                "Cloudflare has no database to share a transaction with; add &database=sqlite:///postroom.db to the "
                "URL",
                key="transaction",
            )
        return self._outbox

    def _must_wait(self, message: Outgoing) -> bool:
        return message.deduplication_id is not None or (message.delay_us or 0) > DELAY_US

    def _pack(self, message: Outgoing, attempts: int = 0) -> Parcel:
        delay_us = message.delay_us
        if delay_us is None and message.priority == LOW:
            delay_us = LOW_DELAY_US
        return pack(message, enveloped=self._options.envelope, delay_us=delay_us, attempts=attempts)

    async def _push(self, queue: str, parcels: Sequence[Parcel], *, create: bool = False) -> Any:
        """Push; returns the figures of before."""
        first = None
        for batch in batches(parcels):
            body = {"messages": batch}
            result = await self._directory.ask(queue, "POST", "/messages/batch", body, create=create)
            first = first or result
        return ((first or {}).get("metadata") or {}).get("metrics")

    async def _send_later(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        for message in messages:
            # What cannot be sent must be refused now, not in an hour.
            self._pack(message)
        before, outbox = await self.backlog(queue), self._needed_outbox()
        ids, duplicates = await outbox.put(queue, messages)
        # What may go goes now; should the service not answer, it is on disk.
        await outbox.flush()
        for message in messages:
            self._expect(queue, message.delay_us)
        self._signals.changed(queue)
        return Sent(ids, frozenset(duplicates), before)

    async def _send_anew(
        self, queue: str, one: Leased, meta: bytes | None, delay_us: int | None, attempts: int
    ) -> None:
        """The same message once more, with its id and the time when it was first sent."""
        message = Outgoing(
            one.id, one.body, one.content_type, one.priority, delay_us, None, one.sent_us, meta
        )
        if delay_us is not None and delay_us > DELAY_US:
            await self._needed_outbox().put(queue, [message], attempts)
            return
        await self._push(queue, [pack(message, enveloped=True, attempts=attempts)], create=True)
        self._expect(queue, delay_us)
        self._signals.changed(queue)

    def _hold(self, queue: str, one: _Kept) -> None:
        if len(self._held) >= HELD_MAX:
            del self._held[next(iter(self._held))]
        self._held[one.message.key] = one
        self._expect(queue, one.until_us - self._clock.now_us())

    def _still_ours(self, settlement: Settlement) -> tuple[Settlement, list[Leased]]:
        """Without what is not ours any more: the service would take it from whoever has it now."""
        now_us, lost = self._clock.now_us(), list[Leased]()

        def ours(one: Leased, *, whole: bool = False) -> Leased | None:
            held = self._held.get(one.key)
            if held is not None and held.until_us > now_us:
                return held.message if whole else one
            # Of what another process pulled, the service knows; but it cannot be sent on without its contents.
            if held is None and settlement.late_acks and not whole:
                return one
            lost.append(one)
            return None

        acks = settlement.acks if settlement.late_acks else [one for one in settlement.acks if ours(one)]
        retries = [
            (found, delay_us) for one, delay_us in settlement.retries
            if (found := ours(one, whole=delay_us > DELAY_US)) is not None
        ]  # fmt: skip
        dead = [
            one._replace(leased=found) for one in settlement.dead if (found := ours(one.leased, whole=True))
        ]
        # What was never handed over is not held.
        return Settlement(acks, retries, dead, settlement.released, settlement.late_acks), lost

    def _expect(self, queue: str, delay_us: int | None) -> None:
        if delay_us is None:
            delay_us = self._directory.delays.get(queue, 0) * MICROSECOND
        if delay_us:
            dues = self._dues.setdefault(queue, [])
            if len(dues) < HELD_MAX:
                # The service counts whole seconds.
                heapq.heappush(dues, self._clock.now_us() + -(-delay_us // MICROSECOND) * MICROSECOND)

    def _next_due(self, queue: str) -> int | None:
        dues, now_us = self._dues.get(queue, []), self._clock.now_us()
        while dues and dues[0] <= now_us:
            heapq.heappop(dues)
        return dues[0] if dues else None

    async def _release(self, queue: str, held: Sequence[Held]) -> None:
        """The outbox gives these."""
        await self._push(queue, [self._pack(one.message, one.attempts) for one in held])
        for one in held:
            self._expect(queue, one.message.delay_us)
        self._signals.changed(queue)

    async def _pull(self, queue: str, count: int, fewest: int, visibility_us: int) -> list[_Kept]:
        visibility_ms = max(1, visibility_us // 1000) + (FILL_MS if fewest > 1 else 0)
        body = {
            "batch_size": min(count, BATCH_COUNT_MAX),
            "visibility_timeout_ms": min(visibility_ms, VISIBILITY_MS_MAX),
        }
        asked_us = self._clock.now_us()
        try:
            result = await self._directory.ask(queue, "POST", "/messages/pull", body)
        except BrokerError as error:
            if PAUSED in str(error):
                return []
            raise
        token = next(self._tokens)
        until_us = asked_us + body["visibility_timeout_ms"] * 1000
        return [
            _Kept(leased(one, token), min(asked_us, ready_us(one)), until_us) for one in result["messages"]
        ]

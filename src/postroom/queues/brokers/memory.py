"""The memory broker: the contract in its plainest form, for tests and for work that may be lost.

Stores queues in dictionaries of this process; nothing survives it. `memory://` is a store of its own for each
`connect`, `memory://NAME` one that every `connect` of that name in the process shares. What is authoritative is
the injected clock. Exclusivity: there is one event loop, and no verb waits in its middle. No transactional
send, because there is no database to share.
"""

import random
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import msgspec

from postroom.kit.clock import MICROSECOND
from postroom.queues.broker import (
    AGEING_US,
    AGELESS_DELAY_US,
    NO_SUSPECTS,
    STAMP_US,
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
from postroom.queues.errors import ConfigurationError, QueueClosed, QueueNotFound
from postroom.queues.events import MessagesExpired
from postroom.queues.limits import QUEUE_NAME
from postroom.queues.options import QueueOptions
from postroom.queues.signals import Signals

CAPABILITIES = Capabilities(
    durable=False,
    shared=False,
    priority=True,
    deduplication=True,
    transactional_send=False,
    dead_letter_reason=True,
    extend=True,
    redrive=True,
    delay_seconds_max=None,
)

LAPSED = -1
"""In place of a token: it was given back by somebody who knew that the delivery before had lapsed."""


class _Entry(msgspec.Struct):
    key: int
    sent: Outgoing
    due_us: int
    enqueued_us: int
    attempts: int = 0
    token: int = 0
    meta: bytes | None = None


class _Queue(msgspec.Struct):
    name: str
    options: QueueOptions
    created_us: int
    paused: bool = False
    entries: dict[int, _Entry] = {}
    heaps: tuple[list[tuple[int, int]], ...] = msgspec.field(default_factory=lambda: ([], [], []))
    """(due, key) of each priority; a pair that is not its entry's due time any more is passed over."""
    known: dict[str, tuple[int, str]] = {}
    """Deduplication id to (when it is forgotten, message id)."""
    expiry_us: int = 0
    """Nothing expires before."""

    @property
    def retention_us(self) -> int:
        return self.options.message_retention_period * MICROSECOND

    def put(self, entry: _Entry) -> None:
        self.entries[entry.key] = entry
        self.expiry_us = min(self.expiry_us, entry.enqueued_us + self.retention_us)
        heappush(self.heaps[entry.sent.priority], (entry.due_us, entry.key))

    def due(self, priority: int, until_us: int, limit: int) -> list[_Entry]:
        """The first entries of a priority that are due; they leave the heap until they are put back."""
        # An entry may be there twice with one due time: its lease and then a retry or an extension ended alike.
        heap, found = self.heaps[priority], dict[int, _Entry]()
        while heap and heap[0][0] <= until_us and len(found) < limit:
            due_us, key = heappop(heap)
            entry = self.entries.get(key)
            if entry is not None and entry.due_us == due_us:
                found[key] = entry
        return list(found.values())


class _Store:
    def __init__(self) -> None:
        self.queues: dict[str, _Queue] = {}
        self.last_key = 0
        self.stamp_us = 0


_NAMED: dict[str, _Store] = {}


def open_url(url: str, context: BrokerContext) -> "MemoryBroker":
    """A broker for `memory://` or `memory://NAME`."""
    name = url.removeprefix("memory://")
    if name and not QUEUE_NAME.fullmatch(name):
        raise ConfigurationError.out_of_range(
            "url", url, "memory:// or memory://NAME (letters, digits, dashes)"
        )
    return MemoryBroker(_NAMED.setdefault(name, _Store()) if name else _Store(), context)


class MemoryBroker:
    """Queues in dictionaries; see the module."""

    capabilities = CAPABILITIES

    def __init__(self, store: _Store, context: BrokerContext) -> None:
        self._store = store
        self._clock = context.clock
        self._events = context.events
        self._create_queues = context.create_queues
        self._signals = Signals(context.clock)
        self._closed = False

    async def open(self) -> None:
        """Nothing to open."""

    async def send(self, queue: str, messages: Sequence[Outgoing]) -> Sent:
        """Put them behind what is there."""
        into, now_us = self._find(queue), self._clock.now_us()
        before, ids, duplicates = self._count(into), [], set()
        for index, message in enumerate(messages):
            known = self._known(into, message, now_us)
            ids.append(known or message.id)
            if known is not None:
                duplicates.add(index)
                continue
            delay_us = message.delay_us
            if delay_us is None:
                delay_us = into.options.delivery_delay * MICROSECOND
            due_us = now_us + delay_us if delay_us else self._now_us()
            aged_us = now_us if delay_us <= AGELESS_DELAY_US else due_us
            into.put(_Entry(self._next_key(), message, due_us, aged_us, meta=message.meta))
        self._signals.changed(queue)
        return Sent(ids, frozenset(duplicates), before)

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
        """Take those that are due, by due time and priority; a suspect alone."""
        source, now_us = self._find(queue), self._now_us()
        version = self._signals.version(queue)
        if source.paused:
            return Lease((), 0, None, None, version)
        due = [entry for priority in range(3) for entry in source.due(priority, now_us, limit)]
        due.sort(key=lambda entry: (entry.due_us + entry.sent.priority * AGEING_US, entry.key))
        ready = min(len(due), limit)
        suspect = next((entry for entry in due[:ready] if entry.token and entry.attempts in suspects), None)
        chosen = due[: ready - ready % fewest]
        if suspect is not None:
            chosen = [] if busy else [suspect]
        keys = {entry.key for entry in chosen}
        for entry in due:
            if entry.key not in keys:
                source.put(entry)
        if not chosen:
            waiting = [entry.due_us for entry in source.entries.values() if entry.due_us > now_us]
            first = min((entry.due_us for entry in due), default=None)
            return Lease((), len(due), first, min(waiting, default=None), version, suspect is not None)
        token = random.getrandbits(62) + 1
        lost = {entry.key for entry in chosen if entry.token}
        for entry in chosen:
            entry.token, entry.due_us = token, self._clock.now_us() + visibility_us
            entry.attempts += 1
            source.put(entry)
        messages = [_leased(entry, entry.key in lost) for entry in chosen]
        return Lease(messages, ready, None, None, version, suspect is not None)

    async def settle(self, queue: str, settlement: Settlement) -> Sequence[Leased]:
        """Each guarded by its token."""
        source, now_us, lost = self._find(queue), self._now_us(), []
        for one in settlement.acks:
            entry = self._held(source, one)
            if entry is None:
                lost.append(one)
            if entry is not None or (settlement.late_acks and self._is(source, one)):
                del source.entries[one.key]
        for one, delay_us in settlement.retries:
            entry = self._held(source, one)
            if entry is None:
                lost.append(one)
                continue
            if not delay_us:
                # Behind everything that is ready now.
                self._store.stamp_us = self._now_us() + 1
            entry.token, entry.due_us = (
                0,
                (self._clock.now_us() + delay_us) if delay_us else self._store.stamp_us,
            )
            source.put(entry)
        for one in settlement.released:
            entry = self._held(source, one)
            if entry is None:
                lost.append(one)
                continue
            entry.token, entry.due_us = LAPSED if one.lost else 0, min(entry.enqueued_us, now_us)
            entry.attempts -= 1
            source.put(entry)
        for dead in settlement.dead:
            entry = self._held(source, dead.leased)
            if entry is None:
                lost.append(dead.leased)
                continue
            self._move(source, entry, self._find(dead.queue, create=True), dead.meta)
        self._signals.changed(queue)
        return lost

    async def extend(self, queue: str, messages: Sequence[Leased], visibility_us: int) -> Sequence[Leased]:
        """Move the due time of those whose token still stands."""
        source, lost = self._find(queue), []
        for one in messages:
            entry = self._held(source, one)
            if entry is None:
                lost.append(one)
                continue
            entry.due_us = self._clock.now_us() + visibility_us
            source.put(entry)
        return lost

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Until this process does something to the queue."""
        await self._signals.wait(queue, version=version, until_us=until_us)

    async def backlog(self, queue: str) -> Backlog:
        """Counted."""
        return self._count(self._find(queue))

    async def close(self) -> None:
        """Let consumers go; a named store stays."""
        self._closed = True
        self._signals.close()

    # Administration.

    async def create(self, queue: str, options: QueueOptions | None = None) -> bool:
        """Make a queue or change its options."""
        known = self._store.queues.get(queue)
        if known is None:
            self._store.queues[queue] = _Queue(queue, options or QueueOptions(), self._clock.now_us())
        elif options is not None:
            known.options, known.expiry_us = options, 0
        return known is None

    async def delete(self, queue: str) -> bool:
        """Forget it."""
        return self._store.queues.pop(queue, None) is not None

    async def info(self, queue: str) -> QueueInfo:
        """Counted."""
        found, now_us = self._find(queue), self._now_us()
        backlog = self._count(found)
        ready = sum(entry.due_us <= now_us for entry in found.entries.values())
        flying = sum(entry.token != 0 and entry.due_us > now_us for entry in found.entries.values())
        return QueueInfo(
            queue,
            found.options,
            found.paused,
            found.created_us,
            backlog,
            ready=ready,
            delayed=backlog.messages - ready - flying,
            in_flight=flying,
        )

    async def names(self) -> Sequence[str]:
        """All queues of the store."""
        return sorted(self._store.queues)

    async def pause(self, queue: str, paused: bool) -> None:
        """Set or clear a flag."""
        self._find(queue).paused = paused
        self._signals.changed(queue)

    async def purge(self, queue: str) -> int:
        """Delete what nobody holds."""
        return await self.remove(queue, list(self._find(queue).entries))

    async def browse(self, queue: str, *, after: Any = None, limit: int = 100) -> Sequence[Browsed]:
        """In the order of arrival."""
        now_us = self._now_us()
        later = (entry for key, entry in sorted(self._find(queue).entries.items()) if key > (after or 0))
        return [_browsed(entry, now_us) for entry, _ in zip(later, range(limit), strict=False)]

    async def peek(self, queue: str, limit: int) -> Sequence[Browsed]:
        """In the order of delivery."""
        now_us = self._now_us()
        entries = list(self._find(queue).entries.values())
        entries.sort(key=lambda entry: (entry.due_us + entry.sent.priority * AGEING_US, entry.key))
        return [_browsed(entry, now_us) for entry in entries[:limit]]

    async def find(self, queue: str, keys: Sequence[Any]) -> Sequence[Browsed]:
        """By key."""
        entries, now_us = self._find(queue).entries, self._now_us()
        return [_browsed(entries[key], now_us) for key in keys if key in entries]

    async def transfer(self, source: str, moves: Sequence[tuple[Any, str]]) -> int:
        """Those that nobody holds."""
        origin = self._find(source)
        targets = {key: self._find(target) for key, target in moves}
        free = list(self._free(origin, list(targets)))
        for entry in free:
            self._move(origin, entry, targets[entry.key], entry.meta)
        return len(free)

    async def remove(self, queue: str, keys: Sequence[Any]) -> int:
        """Those that nobody holds."""
        source = self._find(queue)
        free = list(self._free(source, keys))
        for entry in free:
            del source.entries[entry.key]
        return len(free)

    # What the verbs share.

    def _now_us(self) -> int:
        clock_us, stamp_us = self._clock.now_us(), self._store.stamp_us
        return stamp_us if 0 < stamp_us - clock_us <= STAMP_US else clock_us

    def _next_key(self) -> int:
        self._store.last_key += 1
        return self._store.last_key

    def _find(self, name: str, *, create: bool = False) -> _Queue:
        """The queue, after its expired messages have been deleted."""
        if self._closed:
            raise QueueClosed
        queue = self._store.queues.get(name)
        if queue is None:
            if not (create or self._create_queues):
                raise QueueNotFound(name, tuple(self._store.queues))
            queue = self._store.queues[name] = _Queue(name, QueueOptions(), self._clock.now_us())
        if self._clock.now_us() >= queue.expiry_us:
            self._expire(queue)
        return queue

    def _expire(self, queue: _Queue) -> None:
        now_us, clock_us = self._now_us(), self._clock.now_us()
        expired, next_us = list[_Entry](), clock_us + queue.retention_us
        for entry in queue.entries.values():
            until_us = entry.enqueued_us + queue.retention_us
            if entry.token and entry.due_us > now_us:
                until_us = max(until_us, entry.due_us)
            if until_us <= clock_us:
                expired.append(entry)
            else:
                next_us = min(next_us, until_us)
        queue.expiry_us = next_us
        for entry in expired:
            del queue.entries[entry.key]
        if expired:
            ids = tuple(entry.sent.id for entry in expired)
            self._events.emit(MessagesExpired(queue=queue.name, count=len(ids), ids=ids))

    def _known(self, queue: _Queue, message: Outgoing, now_us: int) -> str | None:
        if message.deduplication_id is None:
            return None
        queue.known = {key: kept for key, kept in queue.known.items() if kept[0] > now_us}
        until_us = now_us + queue.options.deduplication_window * MICROSECOND
        kept = queue.known.setdefault(message.deduplication_id, (until_us, message.id))
        return None if kept[1] == message.id else kept[1]

    def _is(self, queue: _Queue, one: Leased) -> bool:
        entry = queue.entries.get(one.key)
        return entry is not None and entry.sent.id == one.id

    def _held(self, queue: _Queue, one: Leased) -> _Entry | None:
        entry = queue.entries.get(one.key)
        return entry if entry is not None and entry.token == one.token else None

    def _free(self, queue: _Queue, keys: Sequence[Any]) -> Iterator[_Entry]:
        now_us = self._now_us()
        for key in keys:
            entry = queue.entries.get(key)
            if entry is not None and (not entry.token or entry.due_us <= now_us):
                yield entry

    def _move(self, source: _Queue, entry: _Entry, target: _Queue, meta: bytes | None) -> None:
        del source.entries[entry.key]
        now_us, delay_us = self._clock.now_us(), target.options.delivery_delay * MICROSECOND
        due_us = now_us + delay_us if delay_us else self._now_us()
        target.put(_Entry(self._next_key(), entry.sent, due_us, now_us, meta=meta))
        self._signals.changed(target.name)

    def _count(self, queue: _Queue) -> Backlog:
        entries = queue.entries.values()
        size = sum(len(entry.sent.body) for entry in entries)
        return Backlog(len(entries), size, min((entry.sent.sent_us for entry in entries), default=None))


def _leased(entry: _Entry, lost: bool) -> Leased:
    sent = entry.sent
    # fmt: off
    return Leased(entry.key, entry.token, sent.id, sent.body, sent.content_type, sent.priority, sent.sent_us,
                  entry.attempts, entry.meta, lost)
    # fmt: on


def _browsed(entry: _Entry, now_us: int) -> Browsed:
    sent = entry.sent
    # fmt: off
    return Browsed(entry.key, sent.id, sent.body, sent.content_type, sent.priority, sent.sent_us, entry.attempts,
                   entry.due_us, entry.token != 0 and entry.due_us > now_us, entry.meta)
    # fmt: on

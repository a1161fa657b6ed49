"""What providers post to us: stored as it came, then understood through the queue.

A verified request and the queue's message that points to it are one transaction, so the sender is answered as soon as
nothing can be lost. A consumer reads them in batches and applies their events, a batch in one transaction. What cannot
be understood stays with its problem, for a person.
"""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroom.delivery import DeliveryEvent, WebhookMalformed
from postroom.delivery.webhooks import Received, Receiver
from postroom.kit.clock import Clock
from postroom.kit.events import Events
from postroom.kit.ids import new_id
from postroom.messages.tracking import Tracking
from postroom.queues import MessageBatch, MessageSendRequest, Queue
from postroom.store import Store, StoreTransaction
from postroom.store.vault import Sealing

QUEUE: Final = "delivery-events"
KEPT_HEADERS: Final = frozenset({"content-type", "svix-id", "webhook-id", "user-agent"})
"""Headers that are needed to read a body, or tell where it came from; signatures have done their work."""


TOGETHER_MAX: Final = 100
"""Requests that are stored in one transaction, at most."""
_encode = msgspec.json.Encoder().encode


class WebhookProcessed(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook was understood."""

    receiver: str
    events: int
    fresh: int
    """Events that were not known already."""


class WebhookNotUnderstood(msgspec.Struct, frozen=True, kw_only=True):
    """A verified webhook is not what its sender documents; it is kept."""

    receiver: str
    id: str
    because: str


class _Row(NamedTuple):
    """What is stored of one."""

    id: str
    receiver: str
    received_us: int
    method: str
    url: str
    headers: str
    body: bytes


class _Parsed(NamedTuple):
    row: Mapping[str, Any]
    events: Sequence[DeliveryEvent]
    problem: str | None


class Inbox:
    """Takes webhooks in and works them off."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        vault: Sealing,
        tracking: Tracking,
        receivers: Mapping[str, Receiver],
        clock: Clock,
        events: Events,
    ) -> None:
        self.receivers = receivers
        self._store = store
        self._queue = queue
        self._vault = vault
        self._tracking = tracking
        self._clock = clock
        self._events = events
        self._waiting: list[tuple[_Row, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def put(self, name: str, received: Received) -> str:
        """Store a verified request; durable when this returns. Raises what `Queue.send` raises.

        What comes while others are being stored is stored together with the next, under one message in the queue.
        """
        id_ = new_id()
        kept = {header: value for header, value in received.headers.items() if header in KEPT_HEADERS}
        row = _Row(
            id_, name, self._clock.now_us(), received.method, received.url, _encode(kept).decode(),
            self._vault.seal_body(received.body),
        )  # fmt: skip
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_waiting(), name="webhook-inbox")
        await stored
        return id_

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                part, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
                rows = [row for row, _ in part]
                error: Exception | None = None
                try:
                    await self._store.write(functools.partial(self._insert, rows))
                except Exception as failed:
                    error = failed
                for _, stored in part:
                    # Its sender may have gone away meanwhile.
                    if not stored.done():
                        stored.set_result(None) if error is None else stored.set_exception(error)
        finally:
            self._storing = None

    def _insert(self, rows: Sequence["_Row"], transaction: StoreTransaction) -> None:
        described, start = [], 0
        for row in rows:
            described.append({**row._asdict(), "body": None, "start": start, "length": len(row.body)})
            start += len(row.body)
        bodies = b"".join(row.body for row in rows)
        transaction.run("insert_webhooks", rows=_encode(described).decode(), bodies=bodies)
        request = MessageSendRequest({"ids": [row.id for row in rows]}, trace=transaction.trace)
        self._queue.enlist([request], transaction=transaction.connection)

    async def handle(self, batch: MessageBatch) -> None:
        """The consumer of the queue."""
        ids = [id_ for message in batch.messages for id_ in message.body["ids"]]
        rows = await self._store.read(
            lambda transaction: [transaction.one("find_webhook", id=id_) for id_ in ids]
        )
        parsed = [self._parse(row) for row in rows if row is not None and row["processed_us"] is None]
        now_us = self._clock.now_us()
        await self._store.write(lambda transaction: self._apply(transaction, parsed, now_us))

    def _parse(self, row: Mapping[str, Any]) -> _Parsed:
        receiver = self.receivers.get(row["receiver"])
        if receiver is None:
            return _Parsed(row, (), "its receiver is no longer configured")
        body = self._vault.open_body(bytes(row["body"]))
        received = Received(row["method"], row["url"], msgspec.json.decode(row["headers"]), body)
        try:
            return _Parsed(row, receiver.parse(received), None)
        except WebhookMalformed as error:
            return _Parsed(row, (), str(error))

    def _apply(self, transaction: StoreTransaction, parsed: Sequence[_Parsed], now_us: int) -> None:
        for row, events, problem in parsed:
            fresh = sum(self._tracking.apply(transaction, event, now_us) for event in events)
            transaction.run("finish_webhook", id=row["id"], now_us=now_us, problem=problem)
            announced = (
                WebhookProcessed(receiver=row["receiver"], events=len(events), fresh=fresh)
                if problem is None
                else WebhookNotUnderstood(receiver=row["receiver"], id=row["id"], because=problem)
            )
            transaction.afterwards.append(functools.partial(self._events.emit, announced))

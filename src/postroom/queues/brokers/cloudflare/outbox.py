"""What the service cannot hold, kept in an SQLite file until it can.

    enlist, send(deduplication_id), send(delay > 24 h) ─► row, committed ─► relay ─► pushed ─► row deleted

A row is deleted after the push, so a process that dies in between pushes it again: at least once.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.queries import load
from postroom.kit.service import Service
from postroom.kit.sqlite import SqliteWriter, StoreBusy, StoreFailed, StoreFull
from postroom.queues.broker import Backlog, Outgoing
from postroom.queues.errors import (
    BrokerError,
    BrokerUnavailable,
    MessageTooLarge,
    QueueClosed,
    QueueError,
    QueueNotFound,
    StorageFull,
)
from postroom.queues.limits import BATCH_COUNT_MAX, DEDUPLICATION_SECONDS_DEFAULT, DELAY_SECONDS_MAX

T = TypeVar("T")

SQL = load("postroom.queues.brokers.cloudflare")
DELAY_US: Final = DELAY_SECONDS_MAX * MICROSECOND
WINDOW_US: Final = DEDUPLICATION_SECONDS_DEFAULT * MICROSECOND
LOOK_SECONDS: Final = 1.0
"""How often a process looks for rows of others; its own it knows of."""
WATCH_US: Final = 20_000
"""The same while a transaction of somebody else is open."""
PUT_OFF_US: Final = 5 * MICROSECOND
"""How long a row waits after the service did not take it."""
STUCK_US: Final = 3600 * MICROSECOND
"""The same when it cannot take it: the queue is gone, or the message too large."""


class Held(NamedTuple):
    """A row that is due."""

    seq: int
    message: Outgoing
    attempts: int


Push = Callable[[str, Sequence[Held]], Awaitable[None]]


class Outbox(Service):
    """The file, and the relay that empties it."""

    name = "cloudflare-outbox"

    def __init__(self, path: Path, account_id: str, clock: Clock, push: Push) -> None:
        super().__init__()
        self._account = account_id
        self._clock = clock
        self._push = push
        self._roused = asyncio.Event()
        self._relaying = asyncio.Lock()
        self._watched: list[sqlite3.Connection] = []
        self.writer = SqliteWriter(path.absolute(), clock, translate=_translate, closed=QueueClosed)

    async def open(self) -> None:
        """Open or make the file and its tables, and begin to empty it. Raises BrokerUnavailable."""
        try:
            await self.writer.open(lambda note: self.rouse())
            await self.writer.call(_make_schema)
        except StoreFailed as error:
            await self.writer.close()
            raise BrokerUnavailable(str(error)) from error
        await self.start()

    async def close(self) -> None:
        """Stop; what is left goes with the next process."""
        await self.stop()
        await self.writer.close()

    def rouse(self) -> None:
        """There may be something to push."""
        self._roused.set()

    def watch(self, connection: sqlite3.Connection) -> None:
        """Nobody will tell when this transaction commits: look until it has."""
        self._watched.append(connection)
        self.rouse()

    async def put(
        self, queue: str, messages: Sequence[Outgoing], attempts: int = 0
    ) -> tuple[list[str], set[int]]:
        """Keep messages, durably when it returns: their ids, and the positions of duplicates."""
        result = await self.writer.call(
            partial(self.write, queue=queue, messages=messages, attempts=attempts)
        )
        self.rouse()
        return result

    def write(
        self, connection: sqlite3.Connection, queue: str, messages: Sequence[Outgoing], attempts: int = 0
    ) -> tuple[list[str], set[int]]:
        """The same through an open transaction of whoever's."""
        now_us = self._clock.now_us()
        ids, duplicates = [], set()
        for index, message in enumerate(messages):
            known = self._known(connection, queue, message, now_us)
            ids.append(known or message.id)
            if known is not None:
                duplicates.add(index)
                continue
            delay_us = message.delay_us
            row = {
                "account_id": self._account, "queue": queue, "id": message.id, "body": message.body,
                "content_type": message.content_type, "priority": message.priority, "sent_us": message.sent_us,
                "meta": message.meta, "attempts": attempts,
                "available_us": None if delay_us is None else now_us + delay_us,
                "release_us": now_us + max(0, (delay_us or 0) - DELAY_US),
            }  # fmt: skip
            connection.execute(SQL.hold, row)
        return ids, duplicates

    async def flush(self) -> None:
        """Push what is due."""
        async with self._relaying:
            while await self._relay():
                continue

    async def remember(self, queue: str, window_seconds: int) -> None:
        """How long the queue's deduplication ids are known."""
        values = {"account_id": self._account, "queue": queue, "window_us": window_seconds * MICROSECOND}
        await self.writer.call(lambda c: c.execute(SQL.set_window, values))

    async def backlog(self, queue: str) -> Backlog:
        """What is kept for the queue."""
        values = {"account_id": self._account, "queue": queue}
        count, size, oldest = await self.writer.call(lambda c: c.execute(SQL.count_held, values).fetchone())
        return Backlog(count, size, oldest)

    async def purge(self, queue: str) -> int:
        """Delete what is kept for the queue."""
        values = {"account_id": self._account, "queue": queue}
        return await self.writer.call(lambda c: c.execute(SQL.purge_held, values).rowcount)

    def _known(
        self, connection: sqlite3.Connection, queue: str, message: Outgoing, now_us: int
    ) -> str | None:
        if message.deduplication_id is None:
            return None
        values = {"account_id": self._account, "queue": queue, "deduplication_id": message.deduplication_id}
        row = connection.execute(SQL.find_known, {**values, "now_us": now_us}).fetchone()
        if row is not None:
            return str(row[0])
        connection.execute(SQL.forget_known, {"account_id": self._account, "now_us": now_us})
        window = connection.execute(SQL.find_window, {"account_id": self._account, "queue": queue}).fetchone()
        until_us = now_us + (WINDOW_US if window is None else window[0])
        connection.execute(SQL.remember, {**values, "id": message.id, "until_us": until_us})
        return None

    async def _run(self) -> None:
        while True:
            self._roused.clear()
            # What fails is put off in its row; a file that cannot be read is tried again.
            with contextlib.suppress(BrokerError), self._clock.working():
                await self.flush()
            await self._rest()

    async def _rest(self) -> None:
        next_us = None
        with contextlib.suppress(BrokerError):
            values = {"account_id": self._account}
            (next_us,) = await self.writer.call(lambda c: c.execute(SQL.next_release, values).fetchone())
        if self._watched:
            self._watched = [one for one in self._watched if one.in_transaction]
            next_us = self._clock.now_us() + WATCH_US
        elif next_us is None:
            # Nothing is kept; others' rows are found by their notes.
            await self._roused.wait()
            return
        timer = self._clock.call_later((next_us - self._clock.now_us()) / MICROSECOND, self.rouse)
        # Others' rows may be due sooner; looking for them is patience, so in real seconds.
        look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self.rouse)
        try:
            await self._roused.wait()
        finally:
            timer.cancel()
            look.cancel()

    async def _relay(self) -> bool:
        """Push what is due; whether there may be more."""
        values = {"account_id": self._account, "now_us": self._clock.now_us(), "limit": BATCH_COUNT_MAX}
        rows = await self.writer.call(lambda c: _rows(c.execute(SQL.select_due, values)))
        queues: dict[str, list[Held]] = {}
        for row in rows:
            queues.setdefault(row["queue"], []).append(self._held(row))
        moved = False
        for queue, held in queues.items():
            seqs = [one.seq for one in held]
            try:
                await self._push(queue, held)
            except (QueueNotFound, MessageTooLarge):
                await self._put_off(seqs, STUCK_US)
            except QueueError:
                await self._put_off(seqs, PUT_OFF_US)
            else:
                await self._let_go(seqs)
                moved = True
        return moved and len(rows) == BATCH_COUNT_MAX

    def _held(self, row: dict[str, Any]) -> Held:
        available_us, now_us = row["available_us"], self._clock.now_us()
        delay_us = None if available_us is None else max(0, available_us - now_us)
        message = Outgoing(
            row["id"],
            row["body"],
            row["content_type"],
            row["priority"],
            delay_us,
            None,
            row["sent_us"],
            row["meta"],
        )
        return Held(row["seq"], message, row["attempts"])

    async def _let_go(self, seqs: Iterable[int]) -> None:
        await self.writer.call(lambda c: c.executemany(SQL.let_go, [(seq,) for seq in seqs]))

    async def _put_off(self, seqs: Iterable[int], by_us: int) -> None:
        until_us = self._clock.now_us() + by_us
        rows = [{"seq": seq, "release_us": until_us} for seq in seqs]
        await self.writer.call(lambda c: c.executemany(SQL.put_off, rows))


def _rows(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _make_schema(connection: sqlite3.Connection) -> None:
    for statement in load("postroom.queues.brokers", "cloudflare").schema.split(";\n"):
        connection.execute(statement)


def _translate(error: StoreFailed) -> QueueError:
    if isinstance(error, StoreFull):
        return StorageFull(str(error))
    if isinstance(error, StoreBusy):
        return BrokerUnavailable(str(error))
    return BrokerError(str(error))

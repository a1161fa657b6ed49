"""Storing messages: all sends of a group become one insert."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from postroom.kit.sqlite import Operation
from postroom.queues.broker import AGELESS_DELAY_US, Backlog, Outgoing, Sent
from postroom.queues.brokers.sqlite.catalogue import QUICK, SQL, Catalogue, QueueRow
from postroom.queues.brokers.sqlite.sweeping import sweep

ROWS_A_STATEMENT = 100
"""Rows inserted by one statement at most: fewer statements mean fewer hand-overs of the interpreter's lock."""

PLAIN_COLUMNS = 9
NO_DUPLICATES: frozenset[int] = frozenset()
NOTHING = Backlog(0, 0, None)


class Send(Operation[Sent]):
    """Store messages in a queue."""

    __slots__ = ("announce", "catalogue", "messages", "queue")
    single = True

    def __init__(
        self,
        catalogue: Catalogue,
        queue: str,
        messages: Sequence[Outgoing],
        announce: Callable[[Iterable[str], Mapping[str, Sequence[str]]], None],
    ) -> None:
        self.error = None
        self.catalogue = catalogue
        self.queue = queue
        self.messages = messages
        self.announce = announce

    @property
    def quick(self) -> bool:
        """A few messages."""
        return len(self.messages) <= QUICK

    @classmethod
    def perform_many(cls, connection: sqlite3.Connection, operations: Sequence[Any]) -> None:
        """Insert the messages of all of them at once."""
        catalogue: Catalogue = operations[0].catalogue
        catalogue.refresh(connection)
        expired = sweep(connection, catalogue)
        store = Store(connection, catalogue)
        stored = [store.add(operation.queue, operation.messages) for operation in operations]
        store.write()
        for operation, one in zip(operations, stored, strict=True):
            operation.result = one.sent()
        operations[0].announce({operation.queue for operation in operations}, expired)


class _Into:
    """A queue that a transaction adds to, and its backlog as it was before."""

    __slots__ = ("added", "before", "bytes", "row")

    def __init__(self, row: QueueRow) -> None:
        self.row = row
        self.before = NOTHING
        self.added = 0
        self.bytes = 0


class Stored(NamedTuple):
    """What became of the messages of one send."""

    into: _Into
    ids: Sequence[str]
    duplicates: frozenset[int]
    earlier: int
    """Messages, and bytes, that the same transaction had added to the queue before them."""
    earlier_bytes: int
    now_us: int

    def sent(self) -> Sent:
        """The answer to the sender, once everything is written."""
        before = self.into.before
        oldest = self.now_us if before.oldest_us is None and self.earlier else before.oldest_us
        backlog = Backlog(before.messages + self.earlier, before.bytes + self.earlier_bytes, oldest)
        return Sent(self.ids, self.duplicates, backlog)


class Store:
    """Collects rows for one transaction, then writes them together with the queues' counts."""

    def __init__(self, connection: sqlite3.Connection, catalogue: Catalogue) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._now_us = catalogue.clock.now_us()
        self._ready_us = catalogue.now_us()
        self._key = catalogue.next_key(connection)
        self._plain: list[int | str | bytes] = []
        self._with_meta: list[int | str | bytes] = []
        self._queues: dict[str, _Into] = {}

    def add(self, name: str, messages: Sequence[Outgoing]) -> Stored:
        """Take messages in; nothing is in the file before `write`."""
        into = self._queues.get(name) or self._open(name)
        queue, now_us, count, size = into.row, self._now_us, into.added, into.bytes
        ids: list[str] = []
        duplicates: list[int] = []
        for message in messages:
            if message.deduplication_id is not None:
                known = self._known(queue, message.deduplication_id, message.id)
                if known is not None:
                    duplicates.append(len(ids))
                    ids.append(known)
                    continue
            delay_us = queue.delivery_delay_us if message.delay_us is None else message.delay_us
            due_us = now_us + delay_us if delay_us else self._ready_us
            aged_us = now_us if delay_us <= AGELESS_DELAY_US else due_us
            body, meta = message.body, message.meta
            # fmt: off
            row = (self._key, queue.id, message.id, message.priority, due_us, message.sent_us, aged_us,
                   message.content_type, body)
            # fmt: on
            if meta is None:
                self._plain += row
            else:
                self._with_meta += (*row, meta)
            self._key += 1
            ids.append(message.id)
            into.added += 1
            into.bytes += len(body)
        doubled = frozenset(duplicates) if duplicates else NO_DUPLICATES
        return Stored(into, ids, doubled, count, size, now_us)

    def write(self) -> None:
        """Insert what was taken in and bring the counts up to date."""
        self._catalogue.last_key = self._key - 1
        self._insert(self._plain, SQL.insert_messages, PLAIN_COLUMNS)
        self._insert(self._with_meta, SQL.insert_messages_with_meta, PLAIN_COLUMNS + 1)
        for into in self._queues.values():
            # Written even if nothing was added, so that reading it is one statement in every case.
            ((count, size),) = self._connection.execute(
                SQL.count_sent, {"queue_id": into.row.id, "count": into.added, "bytes": into.bytes}
            ).fetchall()
            before = count - into.added
            oldest = oldest_us(self._connection, into.row.id, before, self._catalogue)
            into.before = Backlog(before, size - into.bytes, oldest)

    def _insert(self, values: list[int | str | bytes], statement: str, columns: int) -> None:
        for start in range(0, len(values), columns * ROWS_A_STATEMENT):
            part = values[start : start + columns * ROWS_A_STATEMENT]
            self._connection.execute(_insert(statement, columns, len(part) // columns), part)

    def _open(self, name: str) -> _Into:
        into = self._queues[name] = _Into(self._catalogue.queue(self._connection, name))
        return into

    def _known(self, queue: QueueRow, key: str, message_id: str) -> str | None:
        found = self._connection.execute(
            SQL.find_duplicate, {"queue_id": queue.id, "key": key, "now_us": self._now_us}
        ).fetchone()
        if found is not None:
            return str(found[0])
        # fmt: off
        self._connection.execute(SQL.remember, {
            "queue_id": queue.id, "key": key, "message_id": message_id,
            "expires_us": self._now_us + queue.deduplication_us,
        })
        # fmt: on
        return None


def read_backlog(connection: sqlite3.Connection, queue_id: int) -> Backlog:
    """The queue's counts, and its oldest message by best effort."""
    count, size, _ = connection.execute(SQL.backlog, {"queue_id": queue_id}).fetchone()
    return Backlog(count, size, oldest_us(connection, queue_id, count))


def oldest_us(
    connection: sqlite3.Connection, queue_id: int, count: int, catalogue: Catalogue | None = None
) -> int | None:
    """When the oldest of so many messages was sent; with a catalogue, as it was a second ago."""
    known = catalogue.oldest(queue_id) if catalogue is not None and count else None
    if known is None and count:
        (known,) = connection.execute(SQL.oldest, {"queue_id": queue_id}).fetchone()
    if catalogue is not None:
        catalogue.remember_oldest(queue_id, known)
    return known


@cache
def _insert(statement: str, columns: int, rows: int) -> str:
    """The statement that inserts so many rows; there are ROWS_A_STATEMENT of each kind at most."""
    row = f"({', '.join('?' * columns)})"
    return f"{statement} VALUES {', '.join([row] * rows)}"

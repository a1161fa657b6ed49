"""Storing messages: all sends of a group become one insert."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from postroom.kit.sqlite import Operation
from postroom.queues.broker import AGELESS_DELAY_US, Backlog, Outgoing, Sent
from postroom.queues.brokers.sqlite.catalogue import QUICK, SQL, Catalogue, QueueRow
from postroom.queues.brokers.sqlite.sweeping import sweep

ROWS_A_STATEMENT = 100
"""Rows inserted by one statement at most: fewer statements mean fewer hand-overs of the interpreter's lock."""

COLUMNS = 10
NO_DUPLICATES: frozenset[int] = frozenset()


class Send(Operation[Sent]):
    """Store messages in a queue."""

    __slots__ = ("announce", "catalogue", "messages", "queue")

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
        for operation in operations:
            operation.result = store.add(operation.queue, operation.messages)
        store.write()
        operations[0].announce({operation.queue for operation in operations}, expired)


class _Into:
    """A queue that a transaction adds to, and its backlog as it grows."""

    __slots__ = ("added", "backlog", "bytes", "row")

    def __init__(self, row: QueueRow, backlog: Backlog) -> None:
        self.row = row
        self.backlog = backlog
        self.added = 0
        self.bytes = 0


class Store:
    """Collects rows for one transaction, then writes them together with the queues' counts."""

    def __init__(self, connection: sqlite3.Connection, catalogue: Catalogue) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._now_us = catalogue.clock.now_us()
        self._ready_us = catalogue.now_us()
        self._key = catalogue.next_key(connection)
        self._values: list[int | str | bytes | None] = []
        self._queues: dict[str, _Into] = {}

    def add(self, name: str, messages: Sequence[Outgoing]) -> Sent:
        """Take messages in; nothing is in the file before `write`."""
        into = self._queues.get(name) or self._open(name)
        queue, before, now_us, values = into.row, into.backlog, self._now_us, self._values
        ready_us = self._ready_us
        ids: list[str] = []
        duplicates: list[int] = []
        count = size = 0
        for message in messages:
            if message.deduplication_id is not None:
                known = self._known(queue, message.deduplication_id, message.id)
                if known is not None:
                    duplicates.append(len(ids))
                    ids.append(known)
                    continue
            delay_us = queue.delivery_delay_us if message.delay_us is None else message.delay_us
            due_us = now_us + delay_us if delay_us else ready_us
            aged_us = now_us if delay_us <= AGELESS_DELAY_US else due_us
            body = message.body
            # fmt: off
            values.extend((self._key, queue.id, message.id, message.priority, due_us, message.sent_us, aged_us,
                           message.content_type, body, message.meta))
            # fmt: on
            self._key += 1
            ids.append(message.id)
            count += 1
            size += len(body)
        if count:
            into.added += count
            into.bytes += size
            oldest = now_us if before.oldest_us is None else before.oldest_us
            into.backlog = Backlog(before.messages + count, before.bytes + size, oldest)
        return Sent(ids, frozenset(duplicates) if duplicates else NO_DUPLICATES, before)

    def write(self) -> None:
        """Insert what was taken in and bring the counts up to date."""
        values, execute = self._values, self._connection.execute
        for start in range(0, len(values), COLUMNS * ROWS_A_STATEMENT):
            part = values[start : start + COLUMNS * ROWS_A_STATEMENT]
            execute(_insert(len(part) // COLUMNS), part)
        for into in self._queues.values():
            if into.added:
                execute(
                    SQL.count,
                    {"queue_id": into.row.id, "count": into.added, "bytes": into.bytes, "in_flight": 0},
                )

    def _open(self, name: str) -> _Into:
        row = self._catalogue.queue(self._connection, name)
        backlog = read_backlog(self._connection, row.id, self._catalogue)
        into = self._queues[name] = _Into(row, backlog)
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


def read_backlog(
    connection: sqlite3.Connection, queue_id: int, catalogue: Catalogue | None = None
) -> Backlog:
    """The queue's counts, and its oldest message by best effort: with a catalogue, as it was a second ago."""
    count, size, _ = connection.execute(SQL.backlog, {"queue_id": queue_id}).fetchone()
    known = catalogue.oldest(queue_id) if catalogue is not None and count else None
    if known is None and count:
        (known,) = connection.execute(SQL.oldest, {"queue_id": queue_id}).fetchone()
    if catalogue is not None:
        catalogue.remember_oldest(queue_id, known)
    return Backlog(count, size, known)


@cache
def _insert(rows: int) -> str:
    """The statement that inserts so many rows; there are ROWS_A_STATEMENT of them at most."""
    row = f"({', '.join('?' * COLUMNS)})"
    return f"{SQL.insert_messages} VALUES {', '.join([row] * rows)}"

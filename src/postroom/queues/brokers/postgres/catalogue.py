"""The queues as this process knows them. Every statement that relies on a row of it names the row's version, and
does nothing when another process has changed the queue since; then it is read again.
"""

from typing import NamedTuple

import msgspec

from postroom.kit.clock import MICROSECOND
from postroom.kit.postgres import Script, Statement
from postroom.kit.queries import load
from postroom.queues.brokers.postgres.moments import Moments
from postroom.queues.errors import QueueNotFound
from postroom.queues.options import QueueOptions

SQL = load("postroom.queues.brokers.postgres")


class QueueRow(NamedTuple):
    """A queue's settings in the store's units."""

    id: int
    version: int
    name: str
    options: QueueOptions
    paused: bool
    delivery_delay_us: int
    retention_us: int
    deduplication_us: int


class Catalogue:
    """May be read and replaced from several threads: each of its changes is one assignment."""

    def __init__(self, moments: Moments, create_queues: bool) -> None:
        self.moments = moments
        self._create_queues = create_queues
        self._by_name: dict[str, QueueRow] = {}
        self._by_id: dict[int, QueueRow] = {}

    def get(self, name: str) -> QueueRow | None:
        """The queue as last read."""
        return self._by_name.get(name)

    def by_id(self, queue_id: int) -> QueueRow | None:
        """The queue with that id, as last read."""
        return self._by_id.get(queue_id)

    def rows(self) -> list[QueueRow]:
        """Every queue, as last read."""
        return list(self._by_id.values())

    def forget(self) -> None:
        """Read again before the next use."""
        self._by_name = {}

    def refresh(self) -> Script[None]:
        """Read all queues."""
        answer = yield Statement(SQL.select_queues)
        rows = [_queue_row(*row) for row in answer.rows]
        self._by_name = {row.name: row for row in rows}
        self._by_id = {row.id: row for row in rows}

    def queue(self, name: str, *, create: bool = False) -> Script[QueueRow]:
        """The queue of that name; raises QueueNotFound unless it may be created."""
        row = self._by_name.get(name)
        if row is None:
            yield from self.refresh()
            row = self._by_name.get(name)
        if row is None and (create or self._create_queues):
            yield from self.create(name, QueueOptions())
            yield from self.refresh()
            row = self._by_name.get(name)
        if row is None:
            raise QueueNotFound(name, tuple(self._by_name))
        return row

    def fresh(self, name: str) -> Script[QueueRow]:
        """The same, as it is now: for statements that do not name its version."""
        self.forget()
        return (yield from self.queue(name))

    def create(self, name: str, options: QueueOptions) -> Script[bool]:
        """Insert a queue unless there is one of that name; True when it is new."""
        values = (name, self.moments.clock_us, msgspec.json.encode(options).decode())
        answer = yield Statement(SQL.create_queue, values, rows=False)
        self.forget()
        return answer.changed == 1


def _queue_row(queue_id: int, version: int, name: str, options: str, paused: bool) -> QueueRow:
    known = msgspec.json.decode(options, type=QueueOptions)
    return QueueRow(
        queue_id,
        version,
        name,
        known,
        paused,
        known.delivery_delay * MICROSECOND,
        known.message_retention_period * MICROSECOND,
        known.deduplication_window * MICROSECOND,
    )

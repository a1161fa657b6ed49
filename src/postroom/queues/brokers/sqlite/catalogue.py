"""The queues of a file as the writer's thread knows them, and the stamp that orders messages.

Read again whenever another process has committed (`PRAGMA data_version`), so that a pause or a changed
setting is seen by the next operation.
"""

import sqlite3
from typing import NamedTuple

import msgspec

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.queries import load
from postroom.queues.broker import STAMP_US
from postroom.queues.errors import QueueNotFound
from postroom.queues.options import QueueOptions

SQL = load("postroom.queues.brokers.sqlite")

QUICK = 16
"""Messages in an operation that may be committed in place."""
OLDEST_US = MICROSECOND
"""For so long the age of a queue's oldest message is not looked up again."""
SWEEP_US = 5 * MICROSECOND
"""How soon messages are judged again that were in flight when their time was up."""


class QueueRow(NamedTuple):
    """A queue's settings in the store's units."""

    id: int
    name: str
    options: QueueOptions
    paused: bool
    delivery_delay_us: int
    retention_us: int
    deduplication_us: int


class Catalogue:
    """Belongs to the writer's thread."""

    def __init__(self, clock: Clock, create_queues: bool) -> None:
        self.clock = clock
        self.create_queues = create_queues
        self.stale = True
        self.sweep_at_us = 0
        self.swept: dict[int, int] = {}
        """Retention in microseconds to the last key judged by it."""
        self.last_key: int | None = None
        """The greatest key given out, or None when another connection may have given out a greater one."""
        self._version = -1
        self._stamp_us = 0
        self._oldest: dict[int, tuple[int, int]] = {}
        self._by_name: dict[str, QueueRow] = {}
        self._by_id: dict[int, QueueRow] = {}

    def now_us(self) -> int:
        """The moment by which messages are due: the clock's, or a stamp that it has not come up to yet."""
        clock_us = self.clock.now_us()
        return self._stamp_us if 0 < self._stamp_us - clock_us <= STAMP_US else clock_us

    def due_us(self, delay_us: int) -> int:
        """When a message is due that comes after so long: for none at all, behind what is ready."""
        return self.clock.now_us() + delay_us if delay_us else self.now_us()

    def stamp_behind_us(self) -> int:
        """A moment behind everything that is ready now: a retried message goes to the tail."""
        self._stamp_us = self.now_us() + 1
        return self._stamp_us

    def forget(self) -> None:
        """After a rollback: what was read in that transaction, a queue made in it above all, may not be in the file."""
        self.stale = True

    def next_key(self, connection: sqlite3.Connection) -> int:
        """The key of the next message: the time in microseconds, or one more than the last. After a `refresh`.

        Keys that SQLite gives out begin anew when the last rows are deleted; these grow, so that a sweep can
        remember how far it came.
        """
        if self.last_key is None:
            (self.last_key,) = connection.execute(SQL.last_key).fetchone()
        self.last_key = max(self.clock.now_us(), self.last_key + 1)
        return self.last_key

    def refresh(self, connection: sqlite3.Connection) -> None:
        """Read the queues again if they may have changed."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version == self._version and not self.stale:
            return
        self.last_key = None
        rows = [_queue_row(*row) for row in connection.execute(SQL.select_queues)]
        if {row.retention_us for row in rows} != {row.retention_us for row in self._by_id.values()}:
            self.sweep_at_us = 0
        self._by_name = {row.name: row for row in rows}
        self._by_id = {row.id: row for row in rows}
        self._version = version
        self.stale = False

    def queue(self, connection: sqlite3.Connection, name: str, *, create: bool = False) -> QueueRow:
        """The queue of that name; raises QueueNotFound unless it may be created."""
        if self.stale:
            self.refresh(connection)
        row = self._by_name.get(name)
        if row is None:
            self.stale = True
            self.refresh(connection)
            row = self._by_name.get(name)
        if row is None and (create or self.create_queues):
            self.create(connection, name, QueueOptions())
            return self.queue(connection, name)
        if row is None:
            raise QueueNotFound(name, tuple(self._by_name))
        return row

    def create(self, connection: sqlite3.Connection, name: str, options: QueueOptions) -> bool:
        """Insert a queue unless there is one of that name; True when it is new."""
        made = connection.execute(
            SQL.create_queue,
            {"name": name, "now_us": self.clock.now_us(), "options": msgspec.json.encode(options).decode()},
        ).rowcount
        # Read from the file by the next look; should the group be rolled back, `forget` has it read again.
        self.stale = True
        return made == 1

    def by_id(self, queue_id: int) -> QueueRow | None:
        """The queue with that id, as last read."""
        return self._by_id.get(queue_id)

    def oldest(self, queue_id: int) -> int | None:
        """When the queue's oldest message was sent, if that was looked up within the last second."""
        sent_us, until_us = self._oldest.get(queue_id, (None, 0))
        return sent_us if self.clock.now_us() < until_us else None

    def remember_oldest(self, queue_id: int, sent_us: int | None) -> None:
        """Keep it for a second, or forget it when the queue is empty."""
        if sent_us is None:
            self._oldest.pop(queue_id, None)
        elif self.oldest(queue_id) is None:
            self._oldest[queue_id] = (sent_us, self.clock.now_us() + OLDEST_US)

    def rows(self) -> list[QueueRow]:
        """Every queue, as last read."""
        return list(self._by_id.values())


def _queue_row(queue_id: int, name: str, options: str, paused: int) -> QueueRow:
    known = msgspec.json.decode(options, type=QueueOptions)
    return QueueRow(
        queue_id,
        name,
        known,
        bool(paused),
        known.delivery_delay * MICROSECOND,
        known.message_retention_period * MICROSECOND,
        known.deduplication_window * MICROSECOND,
    )

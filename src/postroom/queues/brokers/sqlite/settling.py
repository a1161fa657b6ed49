"""Settlements: all of a group are carried out together, each guarded by its leases."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from postroom.kit.sqlite import Operation
from postroom.queues.broker import DeadLetter, Leased, Settlement
from postroom.queues.brokers.sqlite.catalogue import QUICK, SQL, Catalogue, QueueRow
from postroom.queues.brokers.sqlite.sweeping import as_json

LAPSED = -1
"""In place of a token, on what was given back by somebody who knew that the delivery before had lapsed: as with a
lease that ran out, the row stays in the count of those in flight."""


class _LeaseLost(Exception):
    """Fewer rows than expected: find out which by going one by one."""


class Settle(Operation[Sequence[Leased]]):
    """Carry out a settlement; the result are the messages whose lease was lost."""

    __slots__ = ("announce", "catalogue", "queue", "settlement")

    def __init__(
        self,
        catalogue: Catalogue,
        queue: str,
        settlement: Settlement,
        announce: Callable[[Iterable[str]], None],
    ) -> None:
        self.error = None
        self.catalogue = catalogue
        self.queue = queue
        self.settlement = settlement
        self.announce = announce

    @property
    def quick(self) -> bool:
        """A few messages."""
        return len(self.settlement.acks) <= QUICK and not self.settlement.dead

    @classmethod
    def perform_many(cls, connection: sqlite3.Connection, operations: Sequence[Any]) -> None:
        """Together in the usual case; one by one when a lease was lost."""
        operations[0].catalogue.refresh(connection)
        by_queue: dict[str, list[Settle]] = defaultdict(list)
        slow: list[Settle] = []
        for operation in operations:
            settlement = operation.settlement
            # What was pulled is known by its lease id alone; without its body its size has to be looked up.
            unread = bool(settlement.acks) and not settlement.acks[0].body
            (slow if settlement.late_acks or unread else by_queue[operation.queue]).append(operation)
        for neighbours in by_queue.values():
            connection.execute("SAVEPOINT settle")
            try:
                _together(connection, neighbours)
            except _LeaseLost:
                connection.execute("ROLLBACK TO settle")
                # A dead-letter queue made in there is gone again, and its number may become another's.
                operations[0].catalogue.forget()
                slow += neighbours
            connection.execute("RELEASE settle")
        for operation in slow:
            operation.result = _one_by_one(connection, operation)
        filled = {one for operation in operations for one in operation.filled()}
        if filled:
            operations[0].announce(filled)

    def filled(self) -> Iterator[str]:
        """The queues in which something became available."""
        if self.settlement.retries or self.settlement.released:
            yield self.queue
        for dead in self.settlement.dead:
            yield dead.queue


def _together(connection: sqlite3.Connection, operations: Sequence[Settle]) -> None:
    """One statement for each lease and kind of fate; raises _LeaseLost if any message is not ours any more."""
    catalogue = operations[0].catalogue
    queue = catalogue.queue(connection, operations[0].queue)
    acks: dict[int, list[int]] = defaultdict(list)
    retries: dict[tuple[int, int], list[int]] = defaultdict(list)
    released: dict[tuple[int, bool], list[int]] = defaultdict(list)
    dead: list[DeadLetter] = []
    gone = size = freed = 0
    for operation in operations:
        settlement = operation.settlement
        for one in settlement.acks:
            acks[one.token].append(one.key)
            size += len(one.body)
        gone += len(settlement.acks)
        freed += len(settlement.acks) + len(settlement.retries)
        for one, delay_us in settlement.retries:
            retries[one.token, delay_us].append(one.key)
        for one in settlement.released:
            released[one.token, one.lost].append(one.key)
            freed += not one.lost
        dead += settlement.dead
        operation.result = ()
    for token, keys in acks.items():
        _expect(connection.execute(SQL.acknowledge, {"token": token, "keys": as_json(keys)}), len(keys))
    for (token, delay_us), keys in retries.items():
        due_us = _due_us(catalogue, delay_us)
        found = connection.execute(SQL.retry, {"due_us": due_us, "token": token, "keys": as_json(keys)})
        _expect(found, len(keys))
    for (token, lost), keys in released.items():
        values = {"now_us": catalogue.now_us(), "lease": LAPSED if lost else 0, "token": token}
        _expect(connection.execute(SQL.release, {**values, "keys": as_json(keys)}), len(keys))
    _count(connection, queue, gone, size, freed)
    for grave in dead:
        if not _bury(connection, catalogue, queue, grave):
            raise _LeaseLost


def _one_by_one(connection: sqlite3.Connection, operation: Settle) -> Sequence[Leased]:
    catalogue, settlement = operation.catalogue, operation.settlement
    queue = catalogue.queue(connection, operation.queue)
    lost: list[Leased] = []
    late = settlement.late_acks
    lost += [one for one in settlement.acks if not _acknowledge(connection, queue, one, late=late)]
    for one, delay_us in settlement.retries:
        values = {"due_us": _due_us(catalogue, delay_us), "token": one.token, "keys": as_json([one.key])}
        if connection.execute(SQL.retry, values).rowcount:
            _count(connection, queue, 0, 0, 1)
        else:
            lost.append(one)
    for one in settlement.released:
        values = {"now_us": catalogue.now_us(), "lease": LAPSED if one.lost else 0, "token": one.token}
        if connection.execute(SQL.release, {**values, "keys": as_json([one.key])}).rowcount:
            _count(connection, queue, 0, 0, not one.lost)
        else:
            lost.append(one)
    lost += [grave.leased for grave in settlement.dead if not _bury(connection, catalogue, queue, grave)]
    return lost


def _acknowledge(connection: sqlite3.Connection, queue: QueueRow, one: Leased, *, late: bool) -> bool:
    """Delete one; a late ack deletes it even when somebody else has leased it since, and is told apart."""
    values = {"key": one.key, "token": one.token, "id": one.id}
    row = connection.execute(SQL.body_size, values).fetchone()
    if row is None:
        return False
    if connection.execute(SQL.acknowledge_one, values).rowcount:
        _count(connection, queue, 1, row[0], 1)
        return True
    if late:
        (leased,) = connection.execute(SQL.acknowledge_late, values).fetchall()[0]
        _count(connection, queue, 1, row[0], leased)
    return False


def _bury(connection: sqlite3.Connection, catalogue: Catalogue, queue: QueueRow, dead: DeadLetter) -> bool:
    """Move one to the dead-letter queue, which is made if it is missing."""
    target = catalogue.queue(connection, dead.queue, create=True)
    due_us, one = catalogue.due_us(target.delivery_delay_us), dead.leased
    size = connection.execute(SQL.body_size, {"key": one.key, "id": one.id}).fetchone()
    # fmt: off
    moved = connection.execute(SQL.bury, {
        "seq": catalogue.next_key(connection), "target": target.id, "due_us": due_us,
        "now_us": catalogue.clock.now_us(), "meta": dead.meta, "key": one.key, "token": one.token,
    }).rowcount
    # fmt: on
    if not moved:
        return False
    connection.execute(SQL.acknowledge_one, {"key": one.key, "token": one.token, "id": one.id})
    _count(connection, queue, 1, size[0], 1)
    connection.execute(SQL.count, {"queue_id": target.id, "count": 1, "bytes": size[0], "in_flight": 0})
    return True


def _due_us(catalogue: Catalogue, delay_us: int) -> int:
    # At once means behind what is ready; later means exactly then.
    return catalogue.clock.now_us() + delay_us if delay_us else catalogue.stamp_behind_us()


def _expect(cursor: sqlite3.Cursor, rows: int) -> None:
    if cursor.rowcount != rows:
        raise _LeaseLost


def _count(connection: sqlite3.Connection, queue: QueueRow, gone: int, size: int, freed: int) -> None:
    if gone or freed:
        connection.execute(
            SQL.count, {"queue_id": queue.id, "count": -gone, "bytes": -size, "in_flight": -freed}
        )

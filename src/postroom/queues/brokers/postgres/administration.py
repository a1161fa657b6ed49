"""What operators do to queues: none of it is hot, all of it is bounded, so that senders are never held up."""

from collections.abc import Sequence
from typing import Any

import msgspec

from postroom.kit.postgres import Script, Statement
from postroom.queues.broker import AGEING_US, Backlog, Browsed, QueueInfo
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue
from postroom.queues.errors import QueueNotFound
from postroom.queues.options import QueueOptions

PEEKED = 5000
"""Messages looked through for leased ones by a peek."""
ROWS_A_TRANSACTION = 5000
"""Rows deleted in one transaction by a purge."""


def create(catalogue: Catalogue, name: str, options: QueueOptions | None) -> Script[bool]:
    """Make the queue or change its options; True when it is new."""
    made = yield from catalogue.create(name, options or QueueOptions())
    if not made and options is not None:
        yield Statement(SQL.change_queue, (name, msgspec.json.encode(options).decode()), rows=False)
    yield from catalogue.refresh()
    return made


def pause(catalogue: Catalogue, name: str, paused: bool) -> Script[None]:
    """Write whether delivery is paused."""
    yield from catalogue.fresh(name)
    yield Statement(SQL.pause_queue, (name, paused), rows=False)
    catalogue.forget()


def last_key() -> Script[int]:
    """The key of the newest message: what comes later is not purged."""
    answer = yield Statement(SQL.last_key)
    return int(answer.rows[0][0])


def purge_some(catalogue: Catalogue, name: str, last: int) -> Script[int]:
    """Delete some of what is ready or delayed; 0 when nothing is left."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    values = (queue.id, last, moments.clock_us, moments.ready_us, ROWS_A_TRANSACTION)
    return (yield Statement(SQL.purge, values, rows=False)).changed


def delete(catalogue: Catalogue, name: str) -> Script[bool]:
    """Remove the queue, then everything in it, in small steps; False when there is none.

    What is being sent at this moment finds no queue, or belongs to none and is swept.
    """
    yield from catalogue.refresh()
    queue = catalogue.get(name)
    if queue is None:
        return False
    removed = yield Statement(SQL.delete_queue, (name,), rows=False)
    catalogue.forget()
    while (yield Statement(SQL.empty, (queue.id, ROWS_A_TRANSACTION), rows=False)).changed:
        continue
    yield Statement(SQL.delete_deduplication, (queue.id,), rows=False)
    return removed.changed == 1


def transfer(catalogue: Catalogue, name: str, moves: Sequence[tuple[int, str]]) -> Script[int]:
    """Move messages that nobody holds; returns how many were moved."""
    source, moments = (yield from catalogue.fresh(name)), catalogue.moments
    keys, targets, delays = [], [], []
    for key, target_name in moves:
        target = yield from catalogue.queue(target_name)
        keys.append(key)
        targets.append(target.id)
        delays.append(target.delivery_delay_us or moments.ready_us)
    values = (source.id, keys, targets, delays, moments.clock_us, moments.ready_us)
    return (yield Statement(SQL.transfer, values, rows=False)).changed


def remove(catalogue: Catalogue, name: str, keys: Sequence[int]) -> Script[int]:
    """Delete messages that nobody holds; returns how many were still there."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    values = (queue.id, list(keys), moments.clock_us, moments.ready_us)
    return (yield Statement(SQL.remove, values, rows=False)).changed


# What follows only reads.


def backlog(catalogue: Catalogue, name: str) -> Script[Backlog]:
    """Counted."""
    queue = yield from catalogue.fresh(name)
    answer = yield Statement(SQL.backlog, (queue.id,))
    return Backlog(*answer.rows[0])


def names() -> Script[list[str]]:
    """All queues, sorted."""
    answer = yield Statement(SQL.select_queues)
    return sorted(row[2] for row in answer.rows)


def browse(catalogue: Catalogue, name: str, after: int, limit: int) -> Script[list[Browsed]]:
    """Messages in the order of their arrival."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    answer = yield Statement(SQL.browse, (queue.id, after, limit, moments.clock_us, moments.ready_us))
    return [_browsed(row) for row in answer.rows]


def peek(catalogue: Catalogue, name: str, limit: int) -> Script[list[Browsed]]:
    """Messages in the order in which they will be delivered."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    answer = yield Statement(
        SQL.peek, (queue.id, limit, moments.clock_us, moments.ready_us, AGEING_US, PEEKED)
    )
    return [_browsed(row) for row in answer.rows]


def find(catalogue: Catalogue, name: str, keys: Sequence[int]) -> Script[list[Browsed]]:
    """Messages by key."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    answer = yield Statement(SQL.find, (queue.id, list(keys), moments.clock_us, moments.ready_us))
    return [_browsed(row) for row in answer.rows]


def info(catalogue: Catalogue, name: str) -> Script[QueueInfo]:
    """Counts and settings of one queue."""
    queue, moments = (yield from catalogue.fresh(name)), catalogue.moments
    answer = yield Statement(SQL.queue_facts, (queue.id, moments.clock_us, moments.ready_us))
    if not answer.rows:
        raise QueueNotFound(name)
    options, paused, created_us, count, size, oldest_us, ready, flying = answer.rows[0]
    return QueueInfo(
        name,
        msgspec.json.decode(options, type=QueueOptions),
        paused,
        created_us,
        Backlog(count, size, oldest_us),
        ready=ready,
        delayed=count - ready - flying,
        in_flight=flying,
    )


def _browsed(row: Sequence[Any]) -> Browsed:
    found: Browsed = Browsed._make(row)
    return found

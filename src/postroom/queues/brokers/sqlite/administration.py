"""What operators do to queues: none of it is hot, all of it is bounded, so that senders are never held up."""

import sqlite3
from collections.abc import Sequence

import msgspec

from postroom.queues.broker import AGEING_US, Backlog, Browsed, QueueInfo
from postroom.queues.brokers.sqlite.catalogue import SQL, Catalogue
from postroom.queues.brokers.sqlite.sending import read_backlog
from postroom.queues.brokers.sqlite.sweeping import as_json, delete_rows
from postroom.queues.options import QueueOptions

COUNTED_MAX = 5000
"""Rows that are counted one by one for a look at a queue, unless it must be."""
ROWS_A_TRANSACTION = 5000
"""Rows deleted in one transaction by a purge."""

FEW = 4
"""A queue is small where the others have so many times its messages."""

Rows = list[tuple[int, int, bool]]


def create(
    connection: sqlite3.Connection, catalogue: Catalogue, name: str, options: QueueOptions | None
) -> bool:
    """Make the queue or change its options; True when it is new."""
    made = catalogue.create(connection, name, options or QueueOptions())
    if not made and options is not None:
        connection.execute(SQL.change_queue, {"name": name, "options": msgspec.json.encode(options).decode()})
    return made


def pause(connection: sqlite3.Connection, catalogue: Catalogue, name: str, paused: bool) -> None:
    """Write whether delivery is paused."""
    queue = catalogue.queue(connection, name)
    connection.execute(SQL.pause_queue, {"queue_id": queue.id, "paused": paused})
    catalogue.stale = True


def last_key(connection: sqlite3.Connection) -> int:
    """The key of the newest message: what comes later is not purged."""
    return int(connection.execute(SQL.last_key).fetchone()[0])


def purge_some(connection: sqlite3.Connection, catalogue: Catalogue, name: str, last: int) -> int:
    """Delete some of what is ready or delayed; 0 when nothing is left."""
    queue = catalogue.queue(connection, name)
    values = {"queue_id": queue.id, "now_us": catalogue.now_us(), "last": last, "limit": ROWS_A_TRANSACTION}
    return _delete(connection, queue.id, SQL.select_purgeable, values)


def empty_some(connection: sqlite3.Connection, catalogue: Catalogue, name: str) -> int:
    """Delete some of everything, leased or not; 0 when nothing is left."""
    queue = catalogue.queue(connection, name)
    return _delete(connection, queue.id, SQL.select_all, {"queue_id": queue.id, "limit": ROWS_A_TRANSACTION})


def drop(connection: sqlite3.Connection, catalogue: Catalogue, name: str) -> bool:
    """Remove the queue itself and what came into it since; False when there is none."""
    catalogue.refresh(connection)
    if name not in {row.name for row in catalogue.rows()}:
        return False
    queue = catalogue.queue(connection, name)
    while empty_some(connection, catalogue, name):
        pass
    connection.execute(SQL.delete_deduplication, {"queue_id": queue.id})
    connection.execute(SQL.delete_queue, {"queue_id": queue.id})
    catalogue.stale = True
    return True


def transfer(
    connection: sqlite3.Connection, catalogue: Catalogue, name: str, moves: Sequence[tuple[int, str]]
) -> int:
    """Move messages that nobody holds; returns how many were still there to move."""
    catalogue.refresh(connection)
    queue = catalogue.queue(connection, name)
    free = _free(connection, catalogue, queue.id, [key for key, _ in moves])
    sizes = {key: size for key, size, _ in free}
    now_us = catalogue.clock.now_us()
    for key, target_name in moves:
        if key not in sizes:
            continue
        target = catalogue.queue(connection, target_name)
        due_us = catalogue.due_us(target.delivery_delay_us)
        values = {"target": target.id, "due_us": due_us, "now_us": now_us, "key": key}
        connection.execute(SQL.move, {**values, "seq": catalogue.next_key(connection)})
        connection.execute(
            SQL.count, {"queue_id": target.id, "count": 1, "bytes": sizes[key], "in_flight": 0}
        )
    delete_rows(connection, queue.id, free)
    return len(free)


def remove(connection: sqlite3.Connection, catalogue: Catalogue, name: str, keys: Sequence[int]) -> int:
    """Delete messages that nobody holds; returns how many were still there."""
    queue = catalogue.queue(connection, name)
    free = _free(connection, catalogue, queue.id, list(keys))
    delete_rows(connection, queue.id, free)
    return len(free)


# What follows only reads.


def browse(
    connection: sqlite3.Connection, queue_id: int, now_us: int, after: int, limit: int
) -> list[Browsed]:
    """Messages in the order of their arrival."""
    values = {"queue_id": queue_id, "now_us": now_us, "after": after, "limit": limit}
    (own, others) = connection.execute(SQL.share, {"queue_id": queue_id}).fetchone()
    # A small queue among much else is found by its index and sorted; a large one is met at every step in order.
    query = SQL.browse_few if own * FEW < others else SQL.browse
    return [_browsed(row) for row in connection.execute(query, values)]


def peek(connection: sqlite3.Connection, queue_id: int, now_us: int, limit: int) -> list[Browsed]:
    """Messages in the order in which they will be delivered."""
    values = {"queue_id": queue_id, "limit": limit, "ageing_us": AGEING_US}
    keys = [row[0] for row in connection.execute(SQL.select_next, values)]
    rows = {row[0]: row for row in connection.execute(SQL.peek, {"keys": as_json(keys), "now_us": now_us})}
    return [_browsed(rows[key]) for key in keys if key in rows]


def find(connection: sqlite3.Connection, now_us: int, keys: Sequence[int]) -> list[Browsed]:
    """Messages by key."""
    rows = connection.execute(SQL.peek, {"keys": as_json(list(keys)), "now_us": now_us})
    return [_browsed(row) for row in rows]


def info(connection: sqlite3.Connection, queue_id: int, now_us: int) -> QueueInfo | None:
    """Counts and settings of one queue; None when it is gone."""
    facts = connection.execute(SQL.queue_facts, {"queue_id": queue_id}).fetchone()
    if facts is None:
        return None
    name, options, paused, created_us, count, _, in_flight = facts
    backlog: Backlog = read_backlog(connection, queue_id)
    values = {"queue_id": queue_id, "now_us": now_us, "limit": COUNTED_MAX}
    (due,) = connection.execute(SQL.count_due, values).fetchone()
    if due == COUNTED_MAX:
        # Many are due: the others are counted instead, and only where both are many, all of both.
        (later,) = connection.execute(SQL.count_later, values).fetchone()
        if later == COUNTED_MAX:
            (later,) = connection.execute(SQL.count_later, {**values, "limit": -1}).fetchone()
        due = max(0, count - later)
    # Leases that ran out count as ready again, although their rows still carry a token.
    flying = 0
    if in_flight and count > due:
        (flying,) = connection.execute(SQL.count_held, {"queue_id": queue_id, "now_us": now_us}).fetchone()
    return QueueInfo(
        name,
        msgspec.json.decode(options, type=QueueOptions),
        bool(paused),
        created_us,
        backlog,
        ready=due,
        delayed=max(0, count - due - flying),
        in_flight=flying,
    )


def _browsed(row: tuple[object, ...]) -> Browsed:
    found: Browsed = Browsed._make(row)
    return found._replace(leased=bool(found.leased))


def _free(connection: sqlite3.Connection, catalogue: Catalogue, queue_id: int, keys: list[int]) -> Rows:
    values = {"queue_id": queue_id, "keys": as_json(keys), "now_us": catalogue.now_us()}
    return [(key, size, lease != 0) for key, size, lease in connection.execute(SQL.select_free, values)]


def _delete(connection: sqlite3.Connection, queue_id: int, select: str, values: dict[str, int]) -> int:
    rows = [(key, size, lease != 0) for key, size, lease in connection.execute(select, values)]
    if rows:
        delete_rows(connection, queue_id, rows)
    return len(rows)

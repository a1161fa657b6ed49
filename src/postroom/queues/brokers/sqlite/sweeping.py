"""Retention: messages that outlived it are deleted, whether ready, delayed or paused.

Arrival order is age order, so each retention period has a cursor and every row is judged once by each period
in use; a row that is leased when the cursor passes is judged again when it is next leased.
"""

import sqlite3

import msgspec

from postroom.queues.brokers.sqlite.catalogue import SQL, SWEEP_US, Catalogue

SWEEP_ROWS = 2000
"""Rows judged in one go, so that a sweep never holds up senders."""


Expired = dict[str, list[str]]
"""Queue to the ids of its messages that were deleted."""


def sweep(connection: sqlite3.Connection, catalogue: Catalogue) -> Expired:
    """Delete expired messages if the next may have expired by now; returns which."""
    now_us = catalogue.clock.now_us()
    expired: Expired = {}
    if now_us < catalogue.sweep_at_us:
        return expired
    connection.execute(SQL.forget, {"now_us": now_us})
    periods = {queue.retention_us for queue in catalogue.rows()}
    # What is sent from now on lives for the shortest period at least.
    catalogue.sweep_at_us = now_us + min(periods, default=SWEEP_US)
    (last,) = connection.execute(SQL.last_key).fetchone()
    for retention_us in periods:
        found, next_us = _sweep_period(connection, catalogue, retention_us, now_us, last)
        expired |= found
        catalogue.sweep_at_us = min(catalogue.sweep_at_us, next_us)
    return expired


def _sweep_period(
    connection: sqlite3.Connection, catalogue: Catalogue, retention_us: int, now_us: int, last: int
) -> tuple[Expired, int]:
    """What expired of the queues with that period, and when to look again."""
    # Keys begin anew when the table has been empty.
    after = catalogue.swept.get(retention_us, 0)
    cursor = after = 0 if after > last else after
    doomed: dict[int, list[tuple[int, int, bool]]] = {}
    expired: Expired = {}
    next_us, judged, moving = now_us + retention_us, 0, True
    for key, queue_id, enqueued_us, size, lease, due_us, message_id in connection.execute(
        SQL.scan_aged, {"after": after, "limit": SWEEP_ROWS}
    ):
        judged += 1
        if enqueued_us > now_us - retention_us:
            next_us = min(next_us, enqueued_us + retention_us)
            if enqueued_us <= now_us:
                break
            # An age that begins in the future (after a long delay) says nothing about the rows behind it.
            moving = False
            continue
        if lease != 0 and due_us > now_us:
            # In flight: it is judged again when it may have come back.
            moving, next_us = False, min(next_us, now_us + SWEEP_US)
            continue
        if moving:
            cursor = key
        queue = catalogue.by_id(queue_id)
        if queue is not None and queue.retention_us == retention_us:
            doomed.setdefault(queue_id, []).append((key, size, lease != 0))
            expired.setdefault(queue.name, []).append(message_id)
    # Moved on only in memory: after a rollback the rows are judged when they are next leased, or after a restart.
    catalogue.swept[retention_us] = cursor
    for queue_id, rows in doomed.items():
        delete_rows(connection, queue_id, rows)
    return expired, now_us if judged == SWEEP_ROWS and (moving or doomed) else next_us


def delete_rows(connection: sqlite3.Connection, queue_id: int, rows: list[tuple[int, int, bool]]) -> None:
    """Delete rows given as (key, body bytes, whether leased) and take them off the queue's counts."""
    connection.execute(SQL.delete_keys, {"keys": as_json([key for key, _, _ in rows])})
    # fmt: off
    connection.execute(SQL.count, {
        "queue_id": queue_id, "count": -len(rows), "bytes": -sum(size for _, size, _ in rows),
        "in_flight": -sum(leased for _, _, leased in rows),
    })
    # fmt: on


def as_json(keys: list[int]) -> str:
    """A list of keys for `json_each`."""
    return msgspec.json.encode(keys).decode()

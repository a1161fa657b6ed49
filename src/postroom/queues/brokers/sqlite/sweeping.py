"""Retention: messages that outlived it are deleted, whether ready, delayed or paused.

Arrival order is age order, so each retention period has a cursor and every row is judged once by each period
in use; a row that is leased when the cursor passes is judged again when it is next leased.
"""

import sqlite3
from collections import Counter

import msgspec

from postroom.queues.brokers.sqlite.catalogue import SQL, SWEEP_US, Catalogue

SWEEP_ROWS = 2000
"""Rows judged in one go, so that a sweep never holds up senders."""


def sweep(connection: sqlite3.Connection, catalogue: Catalogue) -> Counter[str]:
    """Delete expired messages if it is time to look; returns how many by queue."""
    now_us = catalogue.clock.now_us()
    expired: Counter[str] = Counter()
    if now_us < catalogue.sweep_at_us:
        return expired
    catalogue.sweep_at_us = now_us + SWEEP_US
    connection.execute(SQL.forget, {"now_us": now_us})
    for retention_us in {queue.retention_us for queue in catalogue.rows()}:
        expired += _sweep_period(connection, catalogue, retention_us, now_us)
    return expired


def _sweep_period(
    connection: sqlite3.Connection, catalogue: Catalogue, retention_us: int, now_us: int
) -> Counter[str]:
    after = catalogue.swept.get(retention_us, 0)
    doomed: dict[int, list[tuple[int, int, bool]]] = {}
    judged = 0
    for key, queue_id, enqueued_us, size, lease, due_us in connection.execute(
        SQL.scan_aged, {"after": after, "limit": SWEEP_ROWS}
    ):
        if enqueued_us > now_us - retention_us:
            break
        after = key
        judged += 1
        queue = catalogue.by_id(queue_id)
        held = lease != 0 and due_us > now_us
        if queue is not None and queue.retention_us == retention_us and not held:
            doomed.setdefault(queue_id, []).append((key, size, lease != 0))
    # Moved on only in memory: after a rollback the rows are judged when they are next leased, or after a restart.
    catalogue.swept[retention_us] = after
    if judged == SWEEP_ROWS:
        catalogue.sweep_at_us = now_us
    expired: Counter[str] = Counter()
    for queue_id, rows in doomed.items():
        delete_rows(connection, queue_id, rows)
        queue = catalogue.by_id(queue_id)
        if queue is not None:
            expired[queue.name] += len(rows)
    return expired


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

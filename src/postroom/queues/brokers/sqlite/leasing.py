"""Leasing messages and making leases longer."""

import random
import sqlite3
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from postroom.kit.sqlite import Operation
from postroom.queues.broker import AGEING_US, Lease, Leased
from postroom.queues.brokers.sqlite.catalogue import QUICK, SQL, Catalogue, QueueRow
from postroom.queues.brokers.sqlite.sweeping import Expired, as_json, delete_rows, sweep


class TakeLease(Operation[Lease]):
    """Lease ready messages. Not synced by itself: a lease that a power cut takes back was worth nothing."""

    __slots__ = ("_catalogue", "_fewest", "_limit", "_queue", "_token", "_visibility_us", "expired")
    durable = False

    def __init__(
        self, catalogue: Catalogue, queue: str, *, limit: int, fewest: int, visibility_us: int
    ) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._queue = queue
        self._limit = limit
        self._fewest = fewest
        self._visibility_us = visibility_us
        self._token = random.getrandbits(62) + 1
        self.expired: Expired = {}

    @property
    def quick(self) -> bool:
        """A few messages."""
        return self._limit <= QUICK

    def perform(self, connection: sqlite3.Connection) -> Lease:
        """Pick by the index, then mark what was picked."""
        catalogue = self._catalogue
        catalogue.refresh(connection)
        self.expired = sweep(connection, catalogue)
        queue = catalogue.queue(connection, self._queue)
        if queue.paused:
            return Lease((), 0, None, None, 0)
        now_us = catalogue.now_us()
        picked = connection.execute(
            SQL.select_ready,
            {"queue_id": queue.id, "now_us": now_us, "limit": self._limit, "ageing_us": AGEING_US},
        ).fetchall()
        ready = len(picked)
        if ready < self._fewest or not ready:
            due = connection.execute(SQL.next_due, {"queue_id": queue.id, "now_us": now_us}).fetchone()[0]
            return Lease((), ready, min(row[1] for row in picked) if picked else None, due, 0)
        keys = [row[0] for row in picked[: ready - ready % self._fewest]]
        clock_us = catalogue.clock.now_us()
        messages = self._mark(connection, queue, keys, clock_us)
        # All too old: there may be others behind them, so it is worth another try at once.
        return Lease(messages, ready, None, None if messages else clock_us, 0)

    def _mark(
        self, connection: sqlite3.Connection, queue: QueueRow, keys: list[int], now_us: int
    ) -> list[Leased]:
        chosen = as_json(keys)
        # Those whose former lease ran out are in flight already.
        held = {row[0] for row in connection.execute(SQL.select_leased, {"keys": chosen})}
        rows = connection.execute(
            SQL.lease, {"until_us": now_us + self._visibility_us, "token": self._token, "keys": chosen}
        ).fetchall()
        connection.execute(
            SQL.count, {"queue_id": queue.id, "count": 0, "bytes": 0, "in_flight": len(rows) - len(held)}
        )
        if any(key > following for key, following in pairwise(keys)):
            place = {key: index for index, key in enumerate(keys)}
            rows.sort(key=lambda row: place[row[0]])
        too_old = now_us - queue.retention_us
        if any(row[9] <= too_old for row in rows):
            aged = [(row[0], len(row[3]), True) for row in rows if row[9] <= too_old]
            delete_rows(connection, queue.id, aged)
            self.expired.setdefault(queue.name, []).extend(row[2] for row in rows if row[9] <= too_old)
            rows = [row for row in rows if row[9] > too_old]
        return [_leased(row, row[0] in held) for row in rows]


class Extend(Operation[Sequence[Leased]]):
    """Move the end of leases; those that were lost are the result."""

    __slots__ = ("_catalogue", "_messages", "_visibility_us")
    durable = False

    def __init__(self, catalogue: Catalogue, messages: Sequence[Leased], visibility_us: int) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._messages = messages
        self._visibility_us = visibility_us

    def perform(self, connection: sqlite3.Connection) -> Sequence[Leased]:
        """One statement for each lease."""
        until_us = self._catalogue.clock.now_us() + self._visibility_us
        by_token: dict[int, list[int]] = {}
        for one in self._messages:
            by_token.setdefault(one.token, []).append(one.key)
        kept: set[int] = set()
        for token, keys in by_token.items():
            rows = connection.execute(
                SQL.extend, {"until_us": until_us, "token": token, "keys": as_json(keys)}
            )
            kept.update(row[0] for row in rows)
        return [one for one in self._messages if one.key not in kept]


def _leased(row: Sequence[Any], lost: bool) -> Leased:
    key, token, message_id, body, content_type, priority, sent_us, attempts, meta, _ = row
    return Leased(key, token, message_id, body, content_type, priority, sent_us, attempts, meta, lost)

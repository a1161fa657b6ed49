"""Leasing messages and making leases longer."""

import random
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from postroom.kit.sqlite import Operation
from postroom.queues.broker import AGEING_US, Lease, Leased
from postroom.queues.brokers.sqlite.catalogue import QUICK, SQL, Catalogue, QueueRow
from postroom.queues.brokers.sqlite.sweeping import Expired, as_json, delete_rows, sweep


class Wanted(NamedTuple):
    """What a caller of `lease` asks for; see the port."""

    queue: str
    limit: int
    fewest: int
    visibility_us: int
    suspects: range
    busy: bool


class TakeLease(Operation[Lease]):
    """Lease ready messages. Not synced by itself: a lease that a power cut takes back was worth nothing."""

    __slots__ = ("_catalogue", "_token", "_wanted", "expired")
    durable = False

    def __init__(self, catalogue: Catalogue, wanted: Wanted) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._wanted = wanted
        self._token = random.getrandbits(62) + 1
        self.expired: Expired = {}

    @property
    def quick(self) -> bool:
        """A few messages."""
        return self._wanted.limit <= QUICK

    def perform(self, connection: sqlite3.Connection) -> Lease:
        """Pick by the index, then mark what was picked, or the first suspect of it."""
        catalogue, wanted = self._catalogue, self._wanted
        catalogue.refresh(connection)
        self.expired = sweep(connection, catalogue)
        queue = catalogue.queue(connection, wanted.queue)
        if queue.paused:
            return Lease((), 0, None, None, 0)
        now_us = catalogue.now_us()
        picked = connection.execute(
            SQL.select_ready,
            {"queue_id": queue.id, "now_us": now_us, "limit": wanted.limit, "ageing_us": AGEING_US},
        ).fetchall()
        ready = len(picked)
        keys = [row[0] for row in picked]
        # Those whose former lease ran out, with their deliveries.
        lapsed: dict[int, int] = dict(
            connection.execute(SQL.select_lapsed, {"keys": as_json(keys)}).fetchall() if keys else ()
        )
        suspect = next((key for key in keys if lapsed.get(key, -1) in wanted.suspects), None)
        keys = keys[: ready - ready % wanted.fewest]
        if suspect is not None:
            keys = [] if wanted.busy else [suspect]
        if not keys:
            due = connection.execute(SQL.next_due, {"queue_id": queue.id, "now_us": now_us}).fetchone()[0]
            first = min(row[1] for row in picked) if picked else None
            return Lease((), ready, first, due, 0, suspect is not None)
        clock_us = catalogue.clock.now_us()
        messages = self._mark(connection, queue, keys, lapsed, clock_us)
        # All too old: there may be others behind them, so it is worth another try at once.
        return Lease(messages, ready, None, None if messages else clock_us, 0, suspect is not None)

    def _mark(
        self,
        connection: sqlite3.Connection,
        queue: QueueRow,
        keys: list[int],
        lapsed: Mapping[int, int],
        now_us: int,
    ) -> list[Leased]:
        until_us = now_us + self._wanted.visibility_us
        rows = connection.execute(
            SQL.lease, {"until_us": until_us, "token": self._token, "keys": as_json(keys)}
        ).fetchall()
        # Those that lapsed are in flight already.
        flying = sum(key in lapsed for key in keys) if lapsed else 0
        connection.execute(
            SQL.count, {"queue_id": queue.id, "count": 0, "bytes": 0, "in_flight": len(rows) - flying}
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
        return [_leased(row, row[0] in lapsed) for row in rows]


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

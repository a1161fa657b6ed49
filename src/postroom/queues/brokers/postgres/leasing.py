"""Leasing messages and making leases longer."""

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from postroom.kit.clock import MICROSECOND
from postroom.kit.postgres import Script, Statement
from postroom.queues.broker import AGEING_US, Lease, Leased
from postroom.queues.brokers.postgres.bounds import EVERYTHING, LOWEST, Bounds, Reading
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue, QueueRow
from postroom.queues.brokers.postgres.sweeping import Expired, expire

_ENQUEUED, _DUE, _FOUND = 10, 11, 12
"""Columns of the answer: the last two of a message, and where those that tell what was found begin."""


class Wanted(NamedTuple):
    """What a caller of `lease` asks for; see the port."""

    queue: str
    limit: int
    fewest: int
    visibility_us: int
    suspects: range
    busy: bool


class Handled(NamedTuple):
    """Messages to be deleted on the way."""

    keys: list[int]
    tokens: list[int]


NOTHING = Handled([], [])


class Taken(NamedTuple):
    """What came of it."""

    lease: Lease
    expired: Expired
    acked: frozenset[int] | None
    """Keys that were deleted on the way; None when nothing was carried out."""


class _Found(NamedTuple):
    """The first row of an answer."""

    known: bool | None
    paused: bool
    clock_us: int
    ready: int
    first_due_us: int | None
    suspect: bool
    acked: Sequence[int]


def take(catalogue: Catalogue, reading: Reading, wanted: Wanted, handled: Handled = NOTHING) -> Script[Taken]:
    """Lease what is ready, and delete what was handled; what outlived its retention is deleted instead."""
    acked: frozenset[int] | None = None
    while True:
        queue = yield from catalogue.queue(wanted.queue)
        bounds = reading.begin(queue.id)
        token, begun = random.getrandbits(62) + 1, time.monotonic()
        found, rows = yield from _ask(catalogue, reading, queue, wanted, handled, bounds, token)
        if acked is None:
            acked, handled = frozenset(found.acked), NOTHING
        if not found.known:
            catalogue.forget()
            continue
        if found.paused:
            return Taken(Lease((), 0, None, None, 0), {}, acked)
        if rows or bounds is EVERYTHING:
            break
        again = reading.look_back_in(queue.id)
        if again:
            due = catalogue.moments.ours(found.clock_us + round(again * MICROSECOND))
            first = catalogue.moments.ours(found.first_due_us)
            return Taken(Lease((), found.ready, first, due, 0, found.suspect), {}, acked)
        reading.returned(queue.id)
    lease, expired = yield from _made(catalogue, queue, found, rows, token)
    if not rows:
        # To find out what comes next all that is due was passed over once more.
        reading.looked(queue.id, time.monotonic() - begun)
    return Taken(lease, expired, acked)


def _ask(
    catalogue: Catalogue,
    reading: Reading,
    queue: QueueRow,
    wanted: Wanted,
    handled: Handled,
    bounds: Bounds,
    token: int,
) -> Script[tuple[_Found, Sequence[Any]]]:
    moments, begun = catalogue.moments, time.monotonic()
    # fmt: off
    answer = yield Statement(SQL.lease, (
        queue.id, queue.version, moments.clock_us, moments.ready_us, wanted.limit, wanted.fewest,
        wanted.visibility_us, token, wanted.suspects.start, wanted.suspects.stop, wanted.busy, AGEING_US,
        *bounds, *handled,
    ))
    # fmt: on
    found, rows = _Found(*answer.rows[0][_FOUND:]), answer.rows[1:]
    if not found.known:
        return found, ()
    moments.seen(found.clock_us)
    if bounds is EVERYTHING:
        reading.looked(queue.id, time.monotonic() - begun)
    if not found.suspect and not found.paused:
        reading.took(queue.id, _last(found, rows, wanted.limit))
    return found, rows


def _last(found: _Found, rows: Sequence[Any], limit: int) -> Bounds:
    """Up to which moments everything was taken, for each priority."""
    if found.ready < limit and len(rows) == found.ready:
        return found.clock_us, found.clock_us, found.clock_us
    last = [LOWEST, LOWEST, LOWEST]
    for row in rows:
        last[row[5]] = max(last[row[5]], row[_DUE])
    return last[0], last[1], last[2]


def _made(
    catalogue: Catalogue, queue: QueueRow, found: _Found, rows: Sequence[Any], token: int
) -> Script[tuple[Lease, Expired]]:
    moments, clock_us = catalogue.moments, found.clock_us
    if not rows:
        due = yield Statement(SQL.next_due, (queue.id, clock_us + moments.ready_us))
        first, following = moments.ours(found.first_due_us), moments.ours(due.rows[0][0])
        return Lease((), found.ready, first, following, 0, found.suspect), {}
    too_old, expired = clock_us - queue.retention_us, Expired()
    aged = [row[1] for row in rows if row[_ENQUEUED] <= too_old]
    if aged:
        yield from expire(catalogue, aged, token, expired)
        rows = [row for row in rows if row[_ENQUEUED] > too_old]
    messages = [_leased(row, token) for row in rows]
    # All too old: there may be others behind them, so it is worth another try at once.
    again = None if messages else moments.ours(clock_us)
    return Lease(messages, found.ready, None, again, 0, found.suspect), expired


def extend(catalogue: Catalogue, messages: Sequence[Leased], visibility_us: int) -> Script[Sequence[Leased]]:
    """Move the end of leases whose tokens still stand; those that were lost are the result."""
    keys, tokens = [one.key for one in messages], [one.token for one in messages]
    answer = yield Statement(SQL.extend, (keys, tokens, visibility_us, catalogue.moments.clock_us))
    kept = {row[0] for row in answer.rows}
    return [one for one in messages if one.key not in kept]


def _leased(row: Sequence[Any], token: int) -> Leased:
    return Leased(row[1], token, row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9])

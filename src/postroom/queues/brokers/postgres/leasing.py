"""Leasing messages and making leases longer."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from postroom.kit.postgres import Script, Statement
from postroom.queues.broker import AGEING_US, Lease, Leased
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue
from postroom.queues.brokers.postgres.sweeping import Expired, expire

_LATER = 6
"""Columns of the answer that tell what was found, before those of a message."""


class Wanted(NamedTuple):
    """What a caller of `lease` asks for; see the port."""

    queue: str
    limit: int
    fewest: int
    visibility_us: int
    suspects: range
    busy: bool


def take(catalogue: Catalogue, wanted: Wanted, expired: Expired) -> Script[Lease]:
    """Lease what is ready; what outlived its retention is deleted instead and put into `expired`."""
    moments = catalogue.moments
    token = random.getrandbits(62) + 1
    while True:
        queue = yield from catalogue.queue(wanted.queue)
        # fmt: off
        answer = yield Statement(SQL.lease, (
            queue.id, queue.version, moments.clock_us, moments.ready_us, wanted.limit, wanted.fewest,
            wanted.visibility_us, token, wanted.suspects.start, wanted.suspects.stop, wanted.busy, AGEING_US,
        ))
        # fmt: on
        if not answer.rows or not answer.rows[0][0]:
            catalogue.forget()
            continue
        break
    _, paused, clock_us, ready, first_us, suspect = answer.rows[0][:_LATER]
    moments.seen(clock_us)
    if paused:
        return Lease((), 0, None, None, 0)
    rows = answer.rows if answer.rows[0][_LATER] is not None else ()
    if not rows:
        due = yield Statement(SQL.next_due, (queue.id, clock_us + moments.ready_us))
        return Lease((), ready, moments.ours(first_us), moments.ours(due.rows[0][0]), 0, suspect)
    too_old = clock_us - queue.retention_us
    aged = [row[_LATER + 1] for row in rows if row[_LATER + 10] <= too_old]
    if aged:
        yield from expire(catalogue, aged, token, expired)
        rows = [row for row in rows if row[_LATER + 10] > too_old]
    messages = [_leased(row, token) for row in rows]
    # All too old: there may be others behind them, so it is worth another try at once.
    again = None if messages else moments.ours(clock_us)
    return Lease(messages, ready, None, again, 0, suspect)


def extend(catalogue: Catalogue, messages: Sequence[Leased], visibility_us: int) -> Script[Sequence[Leased]]:
    """Move the end of leases whose tokens still stand; those that were lost are the result."""
    keys, tokens = [one.key for one in messages], [one.token for one in messages]
    answer = yield Statement(SQL.extend, (keys, tokens, visibility_us, catalogue.moments.clock_us))
    kept = {row[0] for row in answer.rows}
    return [one for one in messages if one.key not in kept]


def _leased(row: Sequence[Any], token: int) -> Leased:
    _, key, message_id, body, content_type, priority, sent_us, attempts, meta, lapsed, _ = row[_LATER:]
    return Leased(key, token, message_id, body, content_type, priority, sent_us, attempts, meta, lapsed)

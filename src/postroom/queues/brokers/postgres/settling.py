"""Settlements: all of a group are carried out together, each message guarded by its lease."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from postroom.kit.postgres import Script, Statement
from postroom.queues.broker import Leased, Settlement
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue

LAPSED = -1
"""In place of a token, on what was given back by somebody who knew that the delivery before had lapsed."""


class Settled(NamedTuple):
    """A queue and what becomes of its messages."""

    queue: str
    settlement: Settlement

    def filled(self) -> Iterator[str]:
        """The queues in which something became available."""
        if self.settlement.retries or self.settlement.released:
            yield self.queue
        for dead in self.settlement.dead:
            yield dead.queue

    @property
    def simple(self) -> bool:
        """Whether all it does is to delete what is leased."""
        return self.only_acks and not self.settlement.late_acks

    @property
    def only_acks(self) -> bool:
        """Whether it is one statement."""
        return not (self.settlement.retries or self.settlement.released or self.settlement.dead)


def settle(
    catalogue: Catalogue, group: Sequence[Settled], *, doubt: bool = False
) -> Script[list[Sequence[Leased]]]:
    """Carry out all of them, in one transaction if not all are acks; returns for each whose lease was lost.

    With `doubt` an earlier try may have done it: then what is not there any more was handled, and by us or by
    whoever leased it since makes no difference.
    """
    acked = yield from _acknowledge(group)
    retried = yield from _retry(catalogue, group)
    released = yield from _release(group)
    buried = yield from _bury(catalogue, group)
    lost: list[Sequence[Leased]] = []
    for _, settlement in group:
        missing = [one for one in settlement.acks if (one.key, one.token) not in acked]
        missing += [one for one, _ in settlement.retries if one.key not in retried]
        missing += [one for one in settlement.released if one.key not in released]
        missing += [one.leased for one in settlement.dead if one.leased.key not in buried]
        lost.append(missing)
    if doubt and any(lost):
        answer = yield Statement(SQL.find_keys, ([one.key for missing in lost for one in missing],))
        there = {row[0] for row in answer.rows}
        return [[one for one in missing if one.key in there] for missing in lost]
    return lost


def _acknowledge(group: Sequence[Settled]) -> Script[set[tuple[int, int]]]:
    acks = [(one, settlement.late_acks) for _, settlement in group for one in settlement.acks]
    if not acks:
        return set()
    keys, tokens, ids = (
        [one.key for one, _ in acks],
        [one.token for one, _ in acks],
        [one.id for one, _ in acks],
    )
    answer = yield Statement(SQL.acknowledge, (keys, tokens, ids, [late for _, late in acks]))
    held = {row[0] for row in answer.rows if row[1]}
    return {(one.key, one.token) for one, _ in acks if one.key in held}


def _retry(catalogue: Catalogue, group: Sequence[Settled]) -> Script[set[int]]:
    retries = [one for _, settlement in group for one in settlement.retries]
    if not retries:
        return set()
    moments = catalogue.moments
    # At once means behind what is ready; later means exactly then.
    delays = [delay_us or moments.behind_us() for _, delay_us in retries]
    keys, tokens = [one.key for one, _ in retries], [one.token for one, _ in retries]
    answer = yield Statement(SQL.retry, (keys, tokens, delays, moments.clock_us))
    return {row[0] for row in answer.rows}


def _release(group: Sequence[Settled]) -> Script[set[int]]:
    released = [one for _, settlement in group for one in settlement.released]
    if not released:
        return set()
    marks = [LAPSED if one.lost else 0 for one in released]
    values = ([one.key for one in released], [one.token for one in released], marks)
    answer = yield Statement(SQL.release, values)
    return {row[0] for row in answer.rows}


def _bury(catalogue: Catalogue, group: Sequence[Settled]) -> Script[set[int]]:
    dead = [one for _, settlement in group for one in settlement.dead]
    if not dead:
        return set()
    targets: list[int] = []
    delays: list[int] = []
    for one in dead:
        # It is made if it is missing.
        target = yield from catalogue.queue(one.queue, create=True)
        targets.append(target.id)
        delays.append(target.delivery_delay_us or catalogue.moments.ready_us)
    keys, tokens = [one.leased.key for one in dead], [one.leased.token for one in dead]
    values = (keys, tokens, targets, delays, [one.meta for one in dead], catalogue.moments.clock_us)
    answer = yield Statement(SQL.bury, values)
    if len(answer.rows) < len(dead):
        # A dead-letter queue may have been removed: what was meant for it stays leased and comes again.
        catalogue.forget()
    return {row[0] for row in answer.rows}

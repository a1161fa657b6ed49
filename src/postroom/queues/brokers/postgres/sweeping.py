"""Retention: messages that outlived it are deleted, whether ready, delayed or paused.

Arrival order is age order, so each retention period has a cursor and every row is judged once by each period in
use; a row that is leased when the cursor passes is judged again when it is next leased.
"""

from collections.abc import Sequence

from postroom.kit.clock import MICROSECOND
from postroom.kit.postgres import Script, Statement
from postroom.queues.brokers.postgres.catalogue import SQL, Catalogue

SWEEP_ROWS = 2000
"""Rows judged in one go."""
SWEEP_US = 5 * MICROSECOND
"""How soon messages are judged again that were in flight when their time was up."""

Expired = dict[str, list[str]]
"""Queue to the ids of its messages that were deleted."""


class Sweeper:
    """Remembers how far each retention period was judged, and when the next message may be too old."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._swept: dict[int, int] = {}
        self._periods: dict[int, int] = {}
        self.due_us = 0
        """By this process's clock."""

    def is_due(self, now_us: int) -> bool:
        """Whether something may have expired."""
        return now_us >= self.due_us or self._periods != _periods(self._catalogue)

    def sweep(self, now_us: int) -> Script[Expired]:
        """Delete what expired; returns which."""
        catalogue, expired = self._catalogue, Expired()
        yield from catalogue.refresh()
        yield Statement(SQL.forget, (catalogue.moments.clock_us,), rows=False)
        if self._periods != _periods(catalogue):
            # What was passed over belongs to a queue that has another period now.
            self._swept.clear()
            self._periods = _periods(catalogue)
        periods = set(self._periods.values())
        # What is sent from now on lives for the shortest period at least.
        wait_us = min(periods, default=SWEEP_US)
        for retention_us in periods:
            wait_us = min(wait_us, (yield from self._sweep_period(retention_us, expired)))
        self.due_us = now_us + wait_us
        return expired

    def _sweep_period(self, retention_us: int, expired: Expired) -> Script[int]:
        """Delete what expired of the queues with that period; returns in how many microseconds to look again."""
        catalogue, after = self._catalogue, self._swept.get(retention_us, 0)
        values = (after, SWEEP_ROWS, catalogue.moments.clock_us)
        rows = (yield Statement(SQL.scan_aged, values)).rows
        doomed: list[int] = []
        cursor, wait_us, moving = after, retention_us, True
        for key, queue_id, enqueued_us, leased, clock_us in rows:
            if enqueued_us > clock_us - retention_us:
                wait_us = min(wait_us, enqueued_us + retention_us - clock_us)
                if enqueued_us <= clock_us:
                    break
                # An age that begins in the future (after a long delay) says nothing about the rows behind it.
                moving = False
                continue
            if leased:
                # In flight: it is judged again when it may have come back.
                moving, wait_us = False, min(wait_us, SWEEP_US)
                continue
            if moving:
                cursor = key
            queue = catalogue.by_id(queue_id)
            # Whose queue was removed while it was being sent belongs to nobody.
            if queue is None or queue.retention_us == retention_us:
                doomed.append(key)
        if doomed:
            yield from expire(catalogue, doomed, 0, expired)
        self._swept[retention_us] = cursor
        return 0 if len(rows) == SWEEP_ROWS and (moving or doomed) else wait_us


def _periods(catalogue: Catalogue) -> dict[int, int]:
    return {row.id: row.retention_us for row in catalogue.rows()}


def expire(catalogue: Catalogue, keys: Sequence[int], token: int, expired: Expired) -> Script[None]:
    """Delete messages that are not leased, or leased with that token, and note which."""
    answer = yield Statement(SQL.expire, (list(keys), catalogue.moments.clock_us, token))
    for queue_id, message_id in answer.rows:
        queue = catalogue.by_id(queue_id)
        if queue is not None:
            expired.setdefault(queue.name, []).append(message_id)

"""How much waits in each queue, for the answers to sends: counted now and then, and kept up by what this process does.

A counter in the database would be a row that every commit has to write, one after the other. So the answer is exact
while this process is alone with the queue, and off by what others did since the last count otherwise.
"""

import time
from collections.abc import Awaitable, Callable

from postroom.queues.broker import Backlog

COUNTED_SECONDS = 1.0
"""A count is good for the answers to sends for so long ..."""
COST_FACTOR = 50.0
"""... and for so many times the time it took, so that counting never costs more than 2 % of a connection."""
CHEAP_SECONDS = 0.05
"""A count that takes less is made whenever somebody asks for it ..."""
CHEAP_MESSAGES = 10_000
"""... and so is one of fewer messages: if that took long, the server or this process was held up by something else."""

NOTHING = Backlog(0, 0, None)


class _Known:
    __slots__ = ("bytes", "counted_at", "dear_until", "messages", "oldest_us")

    def __init__(self, backlog: Backlog, counted_at: float, dear_until: float) -> None:
        self.messages = backlog.messages
        self.bytes = backlog.bytes
        self.oldest_us = backlog.oldest_us
        self.counted_at = counted_at
        self.dear_until = dear_until


class Backlogs:
    """By queue. Real seconds: how old a count may be is patience, not schedule."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def get(self, queue: str) -> Backlog | None:
        """The last count and what this process did since; None when nothing was counted yet."""
        known = self._known.get(queue)
        if known is None:
            return None
        if known.messages <= 0:
            return NOTHING
        return Backlog(known.messages, max(0, known.bytes), known.oldest_us)

    def is_fresh(self, queue: str) -> bool:
        """Whether the last count is young enough."""
        known = self._known.get(queue)
        return known is not None and time.monotonic() < known.counted_at + COUNTED_SECONDS

    def is_dear(self, queue: str) -> bool:
        """Whether the last count is young for what it cost, so that nobody should count again yet."""
        known = self._known.get(queue)
        return known is not None and time.monotonic() < known.dear_until

    async def count(self, queue: str, count: Callable[[], Awaitable[Backlog]]) -> Backlog:
        """Count anew."""
        begun = time.monotonic()
        backlog = await count()
        now = time.monotonic()
        took = now - begun
        dear = took >= CHEAP_SECONDS and backlog.messages >= CHEAP_MESSAGES
        dear_until = now + COST_FACTOR * took if dear else 0.0
        self._known[queue] = _Known(backlog, now, dear_until)
        return backlog

    def changed(self, queue: str, messages: int, size: int, now_us: int | None = None) -> None:
        """So many more or fewer; `now_us` is when they were sent."""
        known = self._known.get(queue)
        if known is None:
            return
        known.messages += messages
        known.bytes += size
        if known.messages <= 0:
            known.messages, known.bytes, known.oldest_us = 0, 0, None
        elif known.oldest_us is None:
            known.oldest_us = now_us

    def forget(self, queue: str) -> None:
        """Count before the next answer."""
        self._known.pop(queue, None)

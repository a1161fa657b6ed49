"""Whose clock: the database's, unless one was handed to `connect`.

Statements take a moment that may be NULL, which means the database's own, and differences to it. With a given clock
a message that is retried at once is due a microsecond after all that is ready, as in the other brokers; the
database's clock moves on between two statements, which does the same.
"""

from postroom.kit.clock import Clock, SystemClock
from postroom.queues.broker import STAMP_US


class Moments:
    """What statements are told of time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.given = not isinstance(clock, SystemClock)
        """Whether a clock was handed to `connect`."""
        self._stamp_us = 0
        self._ahead_us = 0

    @property
    def clock_us(self) -> int | None:
        """The moment for a statement; None: the database's own."""
        return self._clock.now_us() if self.given else None

    @property
    def ready_us(self) -> int:
        """How far the moment by which messages are due is ahead of the clock: that of the last stamp."""
        if not self.given:
            return 0
        ahead_us = self._stamp_us - self._clock.now_us()
        return ahead_us if 0 < ahead_us <= STAMP_US else 0

    def behind_us(self) -> int:
        """The delay of what is retried at once: behind everything that is ready."""
        if not self.given:
            return 0
        ahead_us = self.ready_us + 1
        self._stamp_us = self._clock.now_us() + ahead_us
        return ahead_us

    def seen(self, database_us: int) -> None:
        """Learn from an answer how far this process's clock is ahead of the database's."""
        self._ahead_us = 0 if self.given else self._clock.now_us() - database_us

    def ours(self, moment_us: int | None) -> int | None:
        """A moment of the database on this process's clock, by which it waits."""
        return None if moment_us is None else moment_us + self._ahead_us

"""A clock moved by hand: what falls due is called when the test says so, never by waiting."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from postroom.kit.clock import MICROSECOND


class HandTimer:
    """A pending call."""

    def __init__(self, due_us: int, callback: Callable[[], None]) -> None:
        self.due_us = due_us
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    """Starts at a fixed moment and stands still until `advance`."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now_us = 1_796_000_000 * MICROSECOND
        self._timers: list[HandTimer] = []

    def now_us(self) -> int:
        return self._now_us

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(self._now_us + int(delay_seconds * MICROSECOND), callback)
        self._timers.append(timer)
        return timer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def working(self) -> AbstractContextManager[object]:
        return nullcontext()

    def hold(self) -> Callable[[], None]:
        return lambda: None

    def advance(self, seconds: float) -> None:
        """Move time and make the calls that fall due, in order."""
        until = self._now_us + int(seconds * MICROSECOND)
        while due := [timer for timer in self._timers if not timer.cancelled and timer.due_us <= until]:
            timer = min(due, key=lambda each: each.due_us)
            self._timers.remove(timer)
            self._now_us = max(self._now_us, timer.due_us)
            timer.callback()
        self._now_us = until

"""Time as a collaborator: everything that waits or stamps asks a `Clock`.

`SystemClock` is the machine's. `postroom.queues.testing.VirtualClock` replaces it in tests and moves by hand.
What belongs to the store (delays, leases, retention) goes through `now_us`; what belongs to patience
(how long to wait for a signal) goes through `call_later`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Protocol

MICROSECOND = 1_000_000
"""Microseconds in a second: the store's unit of time is the microsecond since 1970-01-01 UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timer(Protocol):
    """A pending call that can be cancelled."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already been made."""


class Clock(Protocol):
    """What the rest of the code may ask of time."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back in the running loop after so many seconds; at once when the delay is not positive."""

    def patience(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back when something has taken too long; a virtual clock loses patience in real time too."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""

    def working(self) -> AbstractContextManager[object]:
        """Mark work in progress that a virtual clock has to wait for before it moves time."""

    def hold(self) -> Callable[[], None]:
        """The same for work that does not fit a block; call what is returned when it is done."""


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, from the machine's wall clock."""
        return time.time_ns() // 1000

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back in the running loop after so many seconds."""
        return asyncio.get_running_loop().call_later(max(0.0, delay_seconds), callback)

    def patience(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """The same as `call_later`."""
        return self.call_later(seconds, callback)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(max(0.0, seconds))

    def working(self) -> AbstractContextManager[object]:
        """Nothing to mark: real time does not wait."""
        return _NOTHING

    def hold(self) -> Callable[[], None]:
        """Nothing to hold."""
        return _do_nothing


def _do_nothing() -> None:
    return None


_NOTHING = nullcontext()


def to_datetime(moment_us: int) -> datetime:
    """The aware UTC datetime of a moment in microseconds, exact to the microsecond."""
    return EPOCH + timedelta(microseconds=moment_us)


def to_us(moment: datetime) -> int:
    """The moment of an aware datetime in microseconds.

    Raises ValueError for a naive datetime: guessing a zone would send things at the wrong hour.
    """
    if moment.tzinfo is None:
        raise ValueError("datetime has no time zone; pass an aware one, for example datetime.now(UTC)")
    return (moment - EPOCH) // timedelta(microseconds=1)


def isoformat(moment_us: int | None) -> str | None:
    """RFC 3339 text in UTC with milliseconds, or None for None."""
    if moment_us is None:
        return None
    return to_datetime(moment_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def timer(clock: Clock, delay_seconds: float, callback: Callable[[], None]) -> Iterator[None]:
    """Hold a timer for the length of a block and cancel it on the way out."""
    pending = clock.call_later(delay_seconds, callback)
    try:
        yield
    finally:
        pending.cancel()

"""Tests without waiting: a clock that moves by hand, and `drain`.

    clock = VirtualClock()
    async with connect("memory://", clock=clock) as queues:
        ...
        await clock.advance(60)      # all that falls due within the minute has happened when this returns

`advance` moves from one due moment to the next and, at each, waits until everything it causes has happened:
batches handed over, handlers run, settlements committed, also where the broker works in a thread.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from postroom.kit.clock import MICROSECOND, to_datetime, to_us
from postroom.queues.connect import Queues

START = datetime.fromisoformat("2026-01-05T09:00:00+00:00")
"""Where a VirtualClock begins unless told otherwise: a Monday morning, UTC."""

IDLE_PASSES = 20
"""Passes of the event loop without work in progress after which nothing more is to come."""
PATIENCE_SECONDS = 10.0
"""Real seconds that `advance` waits for work in progress before it reports what hangs."""
STOP_SECONDS = 0.5
"""Real seconds for which a stop waits for handlers that wait for virtual time."""
DRAIN_SECONDS_MAX = 30 * 86_400.0
"""Virtual seconds after which `drain` gives up: 30 days."""


class Stuck(AssertionError):
    """Work went on in real time for too long while virtual time stood still."""


class _Work:
    """One piece of work in progress: it counts unless it waits for virtual time or for work inside it."""

    __slots__ = ("counted", "inner", "parked")

    def __init__(self) -> None:
        self.counted = False
        self.inner = 0
        self.parked = 0


class _Timer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the call."""
        self.callback = None


class VirtualClock:
    """A clock that stands still until `advance` moves it. For one event loop."""

    def __init__(self, start: datetime = START) -> None:
        self._now_us = to_us(start)
        self._timers: list[tuple[int, int, _Timer]] = []
        self._order = itertools.count()
        self._active = 0
        self._begun = 0
        self._quiet: asyncio.Event | None = None
        self._work: ContextVar[_Work | None] = ContextVar("work", default=None)

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self._now_us

    def now(self) -> datetime:
        """The same as an aware datetime."""
        return to_datetime(self._now_us)

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> _Timer:
        """Call back when virtual time has come so far; in the loop's next pass when the delay is not positive."""
        timer = _Timer(callback)
        if delay_seconds <= 0:
            asyncio.get_running_loop().call_soon(_fire, timer)
        else:
            due_us = self._now_us + max(1, round(delay_seconds * MICROSECOND))
            heapq.heappush(self._timers, (due_us, next(self._order), timer))
        return timer

    def patience(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        """Call back when virtual time has come so far, or after STOP_SECONDS of real time.

        So a test that ends while handlers sleep in virtual time does not wait for ever to stop them.
        """
        timer = self.call_later(seconds, callback)
        asyncio.get_running_loop().call_later(STOP_SECONDS, _fire, timer)
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait until virtual time has come so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_later(seconds, woken.set)
        with self._parked():
            try:
                await woken.wait()
            finally:
                timer.cancel()

    def gate(self) -> "Gate":
        """Something a handler can wait for without holding up `advance`."""
        return Gate(self)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work in progress that `advance` waits for; parked while it sleeps on this clock or waits at a gate.

        Work may have work inside it, also in tasks of its own; then only that counts.
        """
        outer, work = self._work.get(), _Work()
        token = self._work.set(work)
        self._change(work)
        if outer is not None:
            self._change(outer, inner=1)
        try:
            yield
        finally:
            self._work.reset(token)
            if outer is not None:
                self._change(outer, inner=-1)
            self._change(work, parked=1)

    def hold(self) -> Callable[[], None]:
        """Work in progress that ends when the returned function is called."""
        self._started()
        return self._ended

    async def advance(self, seconds: float = 0) -> None:
        """Move time by so many seconds, stopping at every moment at which something falls due.

        `advance(0)` only lets what is due now happen. Raises Stuck, naming what hangs, when work in progress
        does not end within PATIENCE_SECONDS of real time.
        """
        target_us = self._now_us + round(seconds * MICROSECOND)
        await self._settle()
        while self._timers and self._timers[0][0] <= target_us:
            due_us, _, timer = heapq.heappop(self._timers)
            if timer.callback is None:
                continue
            self._now_us = max(self._now_us, due_us)
            _fire(timer)
            await self._settle()
        self._now_us = target_us
        await self._settle()

    def jump(self, seconds: float) -> None:
        """Set time forward or back without letting anything happen on the way, as a stepped clock does."""
        moved_us = round(seconds * MICROSECOND)
        self._now_us += moved_us
        # Pending timers are patience, measured in elapsed time: a stepped clock does not move them.
        self._timers = [(due_us + moved_us, order, timer) for due_us, order, timer in self._timers]

    @property
    def next_due_seconds(self) -> float | None:
        """Seconds until the next timer, None when there is none."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return (self._timers[0][0] - self._now_us) / MICROSECOND if self._timers else None

    async def _settle(self) -> None:
        idle, begun = 0, self._begun
        while idle < IDLE_PASSES:
            await asyncio.sleep(0)
            if not self._active:
                # Work that began and ended within one pass of the loop may cause more.
                idle, begun = (idle + 1 if self._begun == begun else 0), self._begun
                continue
            idle = 0
            self._quiet = asyncio.Event()
            try:
                await asyncio.wait_for(self._quiet.wait(), PATIENCE_SECONDS)
            except TimeoutError:
                names = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks()))
                raise Stuck(
                    f"{self._active} pieces of work are still going on after {PATIENCE_SECONDS:g} real seconds; a "
                    f"handler that waits should use clock.sleep or clock.gate. Tasks: {names}"
                ) from None

    def _started(self) -> None:
        self._active += 1
        self._begun += 1

    def _ended(self) -> None:
        self._active -= 1
        if not self._active and self._quiet is not None:
            self._quiet.set()

    def _change(self, work: _Work, *, inner: int = 0, parked: int = 0) -> None:
        work.inner += inner
        work.parked += parked
        counts = not work.inner and not work.parked
        if counts != work.counted:
            work.counted = counts
            (self._started if counts else self._ended)()

    @contextmanager
    def _parked(self) -> Iterator[None]:
        work = self._work.get()
        if work is not None:
            self._change(work, parked=1)
        try:
            yield
        finally:
            if work is not None:
                self._change(work, parked=-1)


class Gate:
    """Opened once by a test; handlers wait at it, and time may be advanced meanwhile."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def open(self) -> None:
        """Let everyone through, now and later."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the gate is open."""
        with self._clock._parked():
            await self._event.wait()


async def drain(queues: Queues) -> None:
    """Run the consumers until their queues are empty, moving virtual time over delays and retries.

    For queues connected with a VirtualClock. Starts the consumers if they do not run, and stops them again.
    Raises Stuck after 30 virtual days, or when messages remain and nothing falls due (a paused queue).
    """
    clock = queues.clock
    if not isinstance(clock, VirtualClock):
        raise TypeError("drain needs queues connected with clock=VirtualClock()")
    begun = [consumer for consumer in queues.consumers if not consumer.running]
    if begun:
        await queues.start()
    moved = 0.0
    await clock.advance(0)
    while waiting := [
        c.options.queue for c in queues.consumers if (await queues.info(c.options.queue)).backlog.messages
    ]:
        # A consumer may have been woken while we looked; when it waits again, it is known until when.
        await clock.advance(0)
        step = clock.next_due_seconds
        if step is None or moved > DRAIN_SECONDS_MAX:
            raise Stuck(f"messages remain in {', '.join(waiting)} after {moved:g} virtual seconds")
        moved += step
        await clock.advance(step)
    if begun:
        await queues.stop()


def _fire(timer: _Timer) -> None:
    callback, timer.callback = timer.callback, None
    if callback is not None:
        callback()

"""How each queue stands, in one sentence and one colour, and when it will be empty.

Red: nobody consumes what is due, or the oldest has waited for ten minutes. Amber: held by somebody, dead letters wait, or
more than a tenth of what ended failed. Green: anything else.
"""

import math
from typing import Any, Final, NamedTuple

from postroom.kit.cached import Cached, Dated
from postroom.kit.clock import MICROSECOND, Clock, isoformat
from postroom.operations import Hold, HoldKind, Holds
from postroom.queues import QueueInfo, Queues
from postroom.workers.monitoring.meter import MINUTE_US
from postroom.workers.monitoring.performance import LATE_SECONDS, Monitor
from postroom.workers.monitoring.series import Series

FRESH_SECONDS: Final = 1.0
RATE_MINUTES: Final = 5
"""The forecast goes by the rates of the last so many minutes, the present one as far as it has come."""
FAILING: Final = 0.1
ENDED_MIN: Final = 10
TARGET_SECONDS: Final = 600
"""In which a backlog should be worked off: for how many workers that takes."""


class Rates(NamedTuple):
    """Messages a second of late."""

    into: float
    out: float
    failed: float
    retried: float

    @property
    def ended(self) -> float:
        """What left, either way."""
        return self.out + self.failed


class Standing:
    """Reads how the queues stand."""

    def __init__(
        self, queues: Queues, monitor: Monitor, series: Series, holds: Holds, clock: Clock, dead_letters: str | None
    ) -> None:  # fmt: skip
        self._queues = queues
        self._monitor = monitor
        self._series = series
        self._holds = holds
        self._clock = clock
        self._dead_letters = dead_letters
        self._cached: Cached[dict[str, Any]] = Cached(clock, FRESH_SECONDS, self._read)

    async def read(self) -> dict[str, Any]:
        """Every queue's standing, and the workers; as of `at`."""
        dated: Dated[dict[str, Any]] = await self._cached.get()
        return {"at": isoformat(dated.at_us), "atUs": dated.at_us, **dated.value}

    def forget(self) -> None:
        """Look anew the next time."""
        self._cached.forget()

    async def _read(self) -> dict[str, Any]:
        workers = await self._monitor.workers()
        holds = await self._holds.all()
        curves = (await self._series.read("15m"))["queues"]
        queues = []
        for name in await self._queues.names():
            info = await self._queues.info(name)
            consuming = sum(name in worker["queues"] for worker in workers)
            elapsed = self._clock.now_us() % MINUTE_US / MICROSECOND
            queues.append(self._stand(info, consuming, holds.get(name), rates_of(curves.get(name), elapsed)))
        order = ("red", "amber", "green")
        worst = min((one["level"] for one in queues), key=order.index, default="green")
        return {"queues": queues, "workers": workers, "level": worst}

    def _stand(self, info: QueueInfo, consuming: int, hold: Hold | None, rates: Rates) -> dict[str, Any]:
        now_us = self._clock.now_us()
        oldest_us = info.backlog.oldest_us
        age = max(0.0, (now_us - oldest_us) / MICROSECOND) if oldest_us is not None and info.ready else 0.0
        dead = info.name == self._dead_letters
        level, words = judge(info, age, consuming, hold, rates, dead=dead)
        return {
            "name": info.name, "deadLetters": dead, "level": level, "sentence": f"{words[0].upper()}{words[1:]}.",
            "paused": info.paused, "ready": info.ready, "delayed": info.delayed, "inFlight": info.in_flight,
            "backlog": info.backlog.messages, "backlogBytes": info.backlog.bytes, "oldestSeconds": round(age, 1),
            "consumers": consuming, "rates": rates._asdict(), "hold": hold,
            "forecast": forecast(info, consuming, rates, paused=info.paused) if not dead else None,
        }  # fmt: skip


def rates_of(curves: dict[str, list[float | None]] | None, elapsed: float) -> Rates:
    """From the curves of the last quarter of an hour: their end, of whose last minute so many seconds have passed."""
    if curves is None:
        return Rates(0.0, 0.0, 0.0, 0.0)
    seconds = (RATE_MINUTES - 1) * 60 + max(1.0, elapsed)
    parts = [curves[name][-RATE_MINUTES:] for name in ("in", "out", "failed", "retried")]
    into, out, failed, retried = (sum(one or 0.0 for one in part) / seconds for part in parts)
    return Rates(into, out, failed, retried)


def judge(
    info: QueueInfo, age: float, consuming: int, hold: Hold | None, rates: Rates, *, dead: bool
) -> tuple[str, str]:
    """Level and words; the rules stand at the head of this module."""
    waiting = info.backlog.messages
    if dead:
        if not waiting:
            return "green", "no dead letters"
        return (
            "amber",
            f"{counted(waiting, 'dead letter')} {'waits' if waiting == 1 else 'wait'} for a person",
        )
    until = f" until {isoformat(hold.until_us)}" if hold is not None and hold.until_us is not None else ""
    who = f" by {hold.actor}" if hold is not None else ""
    if info.paused:
        return (
            "amber",
            f"paused{who}{until}, {counted(waiting, 'message')} {'waits' if waiting == 1 else 'wait'}",
        )
    if not consuming and info.ready:
        return (
            "red",
            f"nobody consumes it, {counted(info.ready, 'message')} {'is' if info.ready == 1 else 'are'} due",
        )
    if age > LATE_SECONDS:
        return (
            "red",
            f"behind, the oldest of {counted(info.ready, 'due message')} has waited for {lasting(age)}",
        )
    if hold is not None and hold.kind is HoldKind.DRAIN:
        left = "it is empty" if not waiting else f"{counted(waiting, 'message')} left"
        return "amber", f"draining{who}{until}, takes nothing new, {left}"
    ended = rates.ended * RATE_MINUTES * 60
    if ended >= ENDED_MIN and rates.failed / rates.ended > FAILING:
        return (
            "amber",
            f"{rates.failed / rates.ended:.0%} of what ended in the last {RATE_MINUTES} minutes failed",
        )
    if not consuming:
        return "green", "idle, nobody consumes it and nothing is due"
    consumers = counted(consuming, "consumer")
    if not info.ready:
        flying = f", {info.in_flight:,} in flight" if info.in_flight else ""
        later = f", {info.delayed:,} for later" if info.delayed else ""
        return (
            "green",
            f"{'delivering' if info.in_flight or rates.ended else 'idle'}, {consumers}{flying}{later}",
        )
    return "green", f"delivering, {consumers}, oldest {lasting(age)}"


def forecast(info: QueueInfo, consuming: int, rates: Rates, *, paused: bool) -> dict[str, Any]:
    """When it is empty if all goes on as it did, and how many workers would have it empty in ten minutes."""
    net = rates.ended - rates.into
    seconds: float | None = None
    if not info.ready:
        seconds, words = 0.0, "nothing is due"
    elif paused:
        words = "never while it is paused"
    elif not rates.ended:
        words = f"nothing ended in the last {RATE_MINUTES} minutes"
    elif net <= 0:
        words = f"never at this rate: {rates.into:.1f}/s come in and {rates.ended:.1f}/s leave"
    else:
        seconds = info.ready / net
        words = f"empty in {lasting(seconds)} at {net:.1f}/s more leaving than coming"
    each = rates.ended / consuming if consuming else 0.0
    needed = math.ceil((rates.into + info.ready / TARGET_SECONDS) / each) if each and info.ready else None
    return {"seconds": seconds, "sentence": words, "workersNeeded": needed, "targetSeconds": TARGET_SECONDS}


def counted(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def lasting(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"

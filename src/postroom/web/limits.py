"""How often somebody may come: sliding windows, shared between processes through the store.

A process counts by itself and, every `SYNC_SECONDS`, adds what it counted to the store and learns what others did, in one
transaction for all. So a request costs no disk sync, and a limit may be overshot by what the other processes let in
within one such interval. What is counted is a digest of who came; the store keeps no addresses.

Answers carry `RateLimit-Policy` and `RateLimit`: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

import asyncio
import hashlib
import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.service import Service
from postroom.store import Store, StoreTransaction
from postroom.web.problems import Kind, Refusal

SYNC_SECONDS: Final = 0.5
KEYS_MAX: Final = 50_000
"""Callers that a process counts at once; above that the oldest windows are let go first."""
RATE_LIMITED: Final = Kind("rate-limited", 429, "Too many requests")


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    most: int
    seconds: int


class Rates(NamedTuple):
    """The rate of each class of path; None: as many as there are."""

    enqueue: Rate | None = None
    sign_in: Rate | None = None
    webhook: Rate | None = None
    cloudflare: Rate | None = None
    other: Rate | None = None

    def of(self, name: str) -> Rate | None:
        """The rate of that class."""
        found: Rate | None = getattr(self, name)
        return found


class _Window:
    """What is known of one caller's window and the one before it."""

    __slots__ = ("before", "own", "start_us", "theirs")

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self.before = 0
        """All requests of the window before."""
        self.theirs = 0
        """Requests of this window that the store knows of."""
        self.own = 0
        """Requests counted here since the store was last told."""


class Limits(Service):
    """Counts and refuses; `start` begins to share the counts."""

    name = "rate-limits"

    def __init__(self, store: Store, clock: Clock, rates: Rates) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._rates = rates
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, name: str, who: str, weight: int = 1) -> None:
        """Count a request of a class; raises Refusal when there were too many, which is not counted."""
        rate = self._rates.of(name)
        if rate is None:
            return
        window = self._window(name, who, rate)
        used = self._used(window, rate)
        if used + weight > rate.most:
            raise self._refusal(name, rate, window)
        window.own += weight

    def _used(self, window: _Window, rate: Rate) -> float:
        """Requests in the last `rate.seconds`: this window's, and the part of the one before that still counts."""
        part = 1 - (self._clock.now_us() - window.start_us) / (rate.seconds * MICROSECOND)
        return window.before * max(0.0, part) + window.theirs + window.own

    def _window(self, name: str, who: str, rate: Rate) -> _Window:
        length_us = rate.seconds * MICROSECOND
        start_us = self._clock.now_us() // length_us * length_us
        key = (name, who)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= KEYS_MAX:
                del self._windows[next(iter(self._windows))]
            window = self._windows[key] = _Window(start_us)
        elif window.start_us != start_us:
            total = window.theirs + window.own
            next_one = window.start_us + length_us == start_us
            window.start_us, window.before = start_us, total if next_one else 0
            window.theirs = window.own = 0
        return window

    def _refusal(self, name: str, rate: Rate, window: _Window) -> Refusal:
        ends_us = window.start_us + rate.seconds * MICROSECOND
        wait = max(1, math.ceil((ends_us - self._clock.now_us()) / MICROSECOND))
        headers = {
            "retry-after": str(wait),
            "ratelimit-policy": f'"{name}";q={rate.most};w={rate.seconds}',
            "ratelimit": f'"{name}";r=0;t={wait}',
        }
        return Refusal(
            RATE_LIMITED,
            f"At most {rate.most} in {rate.seconds} s; come again in {wait} s.",
            headers=headers,
        )

    async def share(self) -> None:
        """Tell the store what was counted here, and learn what others counted."""
        told = {key: (window, window.own) for key, window in self._windows.items() if window.own}
        if not told:
            return
        counts = {_digest(key): (window.start_us, own) for key, (window, own) in told.items()}
        totals = await self._store.write(lambda transaction: _add(transaction, counts, self._oldest_us()))
        for key, (window, own) in told.items():
            start_us, total = totals[_digest(key)]
            if window.start_us == start_us:
                window.own -= own
                window.theirs = total

    def _oldest_us(self) -> int:
        longest = max((rate.seconds for rate in self._rates if rate is not None), default=0)
        return self._clock.now_us() - 2 * longest * MICROSECOND

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await self.share()


def _add(
    transaction: StoreTransaction, counts: Mapping[str, tuple[int, int]], oldest_us: int
) -> dict[str, tuple[int, int]]:
    totals = {}
    for key, (start_us, own) in counts.items():
        transaction.run("add_rate_count", key=key, window_us=start_us, count=own)
        row = transaction.one("find_rate_count", key=key, window_us=start_us)
        totals[key] = (start_us, row["count"] if row else own)
    transaction.run("forget_rate_counts", oldest_us=oldest_us)
    return totals


def _digest(key: tuple[str, str]) -> str:
    return f"{key[0]}:{hashlib.sha256(key[1].encode()).hexdigest()[:24]}"

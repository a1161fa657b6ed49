"""A figure that is read at most every so often, with the moment at which it was."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

from postroom.kit.clock import MICROSECOND, Clock

T = TypeVar("T")


class Dated(NamedTuple, Generic[T]):
    """A value and when it was true."""

    value: T
    at_us: int


class Cached(Generic[T]):
    """However many ask at once, one reads; what it reads costs at most a twentieth of the time."""

    SHARE = 20
    """Reading that takes long is done more seldom: this many times what it took passes between two."""

    def __init__(self, clock: Clock, fresh_seconds: float, read: Callable[[], Awaitable[T]]) -> None:
        self._clock = clock
        self._fresh_us = round(fresh_seconds * MICROSECOND)
        self._read = read
        self._known: Dated[T] | None = None
        self._until_us = 0
        self._lock = asyncio.Lock()

    async def get(self) -> Dated[T]:
        """The value; raises what reading raises."""
        known = self._known
        if known is not None and known.at_us <= self._clock.now_us() < self._until_us:
            return known
        async with self._lock:
            known = self._known
            if known is not None and known.at_us <= self._clock.now_us() < self._until_us:
                return known
            began_us = self._clock.now_us()
            fresh = Dated(await self._read(), began_us)
            took_us = self._clock.now_us() - began_us
            self._until_us = began_us + took_us + max(self._fresh_us, self.SHARE * took_us)
            self._known = fresh
            return fresh

    def forget(self) -> None:
        """Read anew the next time: somebody has changed what it tells."""
        self._until_us = 0

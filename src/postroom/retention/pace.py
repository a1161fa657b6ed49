"""Deleting in steps that senders do not feel: small enough that one takes a few milliseconds, with rests between."""

import asyncio
import time
from typing import Final, Self

SLOW_SECONDS: Final = 0.004
FAST_SECONDS: Final = 0.002
STEP_MIN: Final = 10
STEP_FIRST: Final = 50
REST_MAX_SECONDS: Final = 0.05


class Pace:
    """Hold it around each step; `step` is how many rows the next one may have."""

    def __init__(self, most: int) -> None:
        self.step = min(most, STEP_FIRST)
        self._most = most
        self._since = self._took = 0.0

    def __enter__(self) -> Self:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._took = time.perf_counter() - self._since
        if self._took > SLOW_SECONDS:
            self.step = max(STEP_MIN, self.step * 2 // 3)
        elif self._took < FAST_SECONDS:
            self.step = min(self._most, self.step * 5 // 4 + 1)

    async def rest(self) -> None:
        """As long as the step took, so that half of the time is others'."""
        await asyncio.sleep(min(self._took, REST_MAX_SECONDS))

"""Deleting in steps that senders do not feel: each takes about a millisecond of the writer's time, with rests between.

What counts is the processor's time that a step takes where it runs: behind other commits, or on a busy machine, a step
takes long and would be no bit quicker for being smaller.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from postroom.store import Store, StoreTransaction

T = TypeVar("T")

SLOW_SECONDS: Final = 0.001
FAST_SECONDS: Final = 0.0005
STEP_MIN: Final = 5
STEP_FIRST: Final = 20
REST_MIN_SECONDS: Final = 0.001
REST_MAX_SECONDS: Final = 0.01


class Pace:
    """`size` is how many rows the next step may have."""

    def __init__(self, most: int) -> None:
        self.size = min(most, STEP_FIRST)
        self._most = most

    async def step(self, store: Store, function: Callable[[StoreTransaction], T]) -> T:
        """Run a function in a transaction of its own; then rest for as long as all of it took."""
        took = 0.0

        def timed(transaction: StoreTransaction) -> T:
            nonlocal took
            began = time.thread_time()
            result = function(transaction)
            took = time.thread_time() - began
            return result

        began = time.perf_counter()
        result = await store.write(timed)
        if took > SLOW_SECONDS:
            self.size = max(STEP_MIN, self.size * 2 // 3)
        elif took < FAST_SECONDS:
            self.size = min(self._most, self.size * 5 // 4 + 1)
        await rest(time.perf_counter() - began)
        return result


async def rest(seconds: float) -> None:
    """Let others have as much time as a step took."""
    await asyncio.sleep(min(max(seconds, REST_MIN_SECONDS), REST_MAX_SECONDS))

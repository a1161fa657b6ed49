"""Giving space back: pages that deleted rows left free go back to the disk, some at a time."""

import time
from typing import Final

from postroom.retention.pace import Pace
from postroom.store import Store

PAGES_AT_ONCE: Final = 256


async def give_back(store: Store) -> int:
    """Return what is free beyond a reserve; how many pages there were."""
    freed, pace = 0, Pace(PAGES_AT_ONCE)
    while True:
        began = time.perf_counter()
        count = await store.give_back(pace.size)
        took = time.perf_counter() - began
        if not count:
            return freed
        freed += count
        await pace.adapt(took, took)

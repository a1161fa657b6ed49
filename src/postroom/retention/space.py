"""Giving space back: pages that deleted rows left free go back to the disk, some at a time."""

import time
from typing import Final

from postroom.retention.pace import rest
from postroom.store import Store

PAGES_AT_ONCE: Final = 64
"""About a millisecond of the writer's time."""


async def give_back(store: Store) -> int:
    """Return what is free beyond a reserve; how many pages there were."""
    freed = 0
    while True:
        began = time.perf_counter()
        count = await store.give_back(PAGES_AT_ONCE)
        if not count:
            return freed
        freed += count
        await rest(time.perf_counter() - began)

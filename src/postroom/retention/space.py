"""Giving space back: pages that deleted rows left free go back to the disk, some at a time."""

from typing import Final

from postroom.retention.pace import Pace
from postroom.store import Store

PAGES_AT_ONCE: Final = 256


async def give_back(store: Store) -> int:
    """Return what is free beyond a reserve; how many pages there were."""
    freed, pace = 0, Pace(PAGES_AT_ONCE)
    while True:
        with pace:
            count = await store.give_back(pace.step)
        if not count:
            return freed
        freed += count
        await pace.rest()

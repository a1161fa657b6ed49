"""Giving space back: pages that deleted rows left free go back to the disk, some at a time.

https://www.sqlite.org/pragma.html#pragma_incremental_vacuum . A file that was made without incremental auto-vacuum keeps
its free pages and uses them again; `VACUUM` while nothing runs would change that.
"""

from typing import Final

from postroom.retention.pace import Pace
from postroom.store import Store, StoreTransaction

PAGES_KEPT: Final = 2000
"""Free pages that stay, 8 MB: they will be needed again."""
PAGES_AT_ONCE: Final = 256
INCREMENTAL: Final = 2


async def give_back(store: Store) -> int:
    """Return what is free beyond a reserve; how many pages there were."""
    freed, pace = 0, Pace(PAGES_AT_ONCE)

    def step(transaction: StoreTransaction) -> int:
        connection = transaction.connection
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
            return 0
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        count = min(pace.step, max(0, free - PAGES_KEPT))
        if count:
            # The pragma does a page for each row that is fetched.
            connection.execute(f"PRAGMA incremental_vacuum({count:d})").fetchall()
        return int(count)

    while True:
        with pace:
            count = await store.write(step)
        if not count:
            return freed
        freed += count
        await pace.rest()

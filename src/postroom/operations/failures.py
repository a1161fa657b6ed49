"""Failures for good, grouped by what they have in common."""

from typing import Final

import msgspec

from postroom.kit.clock import MICROSECOND, Clock
from postroom.store import Row, Store, StoreTransaction

HOURS: Final = 24
"""Of which each group shows what came when."""
HOUR_US: Final = 3600 * MICROSECOND
COUNTED_MAX: Final = 10_000
"""Failed jobs of a group are counted up to here."""


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """A group."""

    fingerprint: str
    type: str
    code: str | None
    reason: str | None
    """Of the last."""
    failed_now: int
    """Its jobs that are failed still; `COUNTED_MAX` stands for as many or more."""
    count: int
    """How often it came, whatever became of the jobs."""
    first_us: int
    last_us: int
    first_version: str
    """Of Postroom, when it was first seen."""
    last_version: str
    hours: list[int]
    """How many in each of the last 24 hours, the present one last."""


class Failures:
    """Reads them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, before_us: int, limit: int) -> tuple[list[Alike], int | None]:
        """Groups that were last seen before a moment, newest first, and the moment before which the next page is."""

        def look(transaction: StoreTransaction) -> tuple[list[Alike], int | None]:
            rows = transaction.all("list_failures", before=before_us, limit=limit + 1)
            more = rows[limit - 1]["last_us"] if len(rows) > limit else None
            return [self._alike(transaction, row) for row in rows[:limit]], more

        return await self._store.read(look)

    async def get(self, fingerprint: str) -> Alike | None:
        """One group."""

        def look(transaction: StoreTransaction) -> Alike | None:
            row = transaction.one("find_failure", fingerprint=fingerprint)
            return None if row is None else self._alike(transaction, row)

        return await self._store.read(look)

    def _alike(self, transaction: StoreTransaction, row: Row) -> Alike:
        this_us = self._clock.now_us() // HOUR_US * HOUR_US
        first_us = this_us - (HOURS - 1) * HOUR_US
        print_ = row["fingerprint"]
        counts = {
            one["hour_us"]: one["count"]
            for one in transaction.all("list_failure_hours", fingerprint=print_, since_us=first_us)
        }
        counted = transaction.one("count_failed_alike", fingerprint=print_, limit=COUNTED_MAX)
        return Alike(
            fingerprint=print_, type=row["type"], code=row["code"], reason=row["reason"],
            failed_now=counted["count"] if counted else 0, count=row["count"], first_us=row["first_us"],
            last_us=row["last_us"], first_version=row["first_version"], last_version=row["last_version"],
            hours=[counts.get(first_us + number * HOUR_US, 0) for number in range(HOURS)],
        )  # fmt: skip

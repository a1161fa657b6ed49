"""Durations in buckets that grow by a fifth each: small, mergeable, and right to within ten percent."""

import math
from collections.abc import Mapping
from typing import Final

STEPS: Final = 4
"""Buckets to a doubling."""
LOWEST_SECONDS: Final = 1e-6


class Histogram:
    """Counts by bucket; bucket n holds durations from 2^(n/4) to 2^((n+1)/4) microseconds."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts: dict[str, int] = dict(counts or {})

    def add(self, seconds: float) -> None:
        """Count a duration; a negative one, of a clock that was set, counts as none."""
        bucket = str(math.floor(math.log2(max(seconds, LOWEST_SECONDS) / LOWEST_SECONDS) * STEPS))
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, counts: Mapping[str, int]) -> None:
        """Add another's counts."""
        for bucket, count in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def percentile(self, part: float) -> float | None:
        """The duration in seconds below which that part of all lies, from 0 to 1; None when there is none."""
        total = sum(self.counts.values())
        if not total:
            return None
        left = max(1, math.ceil(part * total))
        for bucket in sorted(self.counts, key=int):
            left -= self.counts[bucket]
            if left <= 0:
                return float(2 ** ((int(bucket) + 0.5) / STEPS)) * LOWEST_SECONDS
        raise AssertionError("counts changed meanwhile")

"""How many messages this process has put into each queue since it began: for whoever draws the curve."""

import threading
from collections.abc import Mapping


class SentTally:
    """Counted where messages are written; of a transaction that is rolled back or repeated, once too many."""

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        # Sending counts in the event loop, enlisting in the threads of transactions.
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def add(self, queue: str, count: int) -> None:
        """Count what was put into a queue."""
        with self._lock:
            self._counts[queue] = self._counts.get(queue, 0) + count

    def totals(self) -> Mapping[str, int]:
        """Queue to how many."""
        with self._lock:
            return self._counts.copy()

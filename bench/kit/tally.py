"""A small file in shared memory in which a consumer process counts what it handles.

Writing costs the handler next to nothing, and whoever measures reads it without asking the process. Moments
are `time.monotonic_ns()`, which on Linux is one clock for all processes.
"""

import mmap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SENT: Final = "sentNs"
"""Field of a probe: the moment just before it was sent."""
SAMPLES_MAX: Final = 10_000
_READY, _GO, _COUNT, _FIRST, _LAST, _GAP, _SAMPLED, _SAMPLES = range(8)
_WORDS: Final = _SAMPLES + SAMPLES_MAX


class Tally:
    """Counts, the moments of the first and the last, the longest gap between two, and the probes' latencies."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * _WORDS))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8 * _WORDS)
        self.path = path
        self._words = memoryview(self._memory).cast("q")
        self._lock = threading.Lock()

    # The consumer's side.

    def ready(self) -> None:
        """Say that the process could begin."""
        self._words[_READY] = 1

    def add(self, count: int) -> None:
        """So many more are handled now."""
        now, words = time.monotonic_ns(), self._words
        with self._lock:
            # Before the first, the gap reaches back to the word to go, if there was one.
            before = words[_LAST] or words[_GO]
            if before:
                words[_GAP] = max(words[_GAP], now - before)
            words[_FIRST] = words[_FIRST] or now
            words[_LAST] = now
            words[_COUNT] += count

    def sample(self, sent_ns: int) -> None:
        """A probe has arrived that was sent at that moment."""
        latency = time.monotonic_ns() - sent_ns
        with self._lock:
            index = self._words[_SAMPLED]
            if index < SAMPLES_MAX:
                self._words[_SAMPLES + index] = latency
                self._words[_SAMPLED] = index + 1

    def job(self, job: Mapping[str, Any]) -> None:
        """One job is handled, which may be a probe."""
        if SENT in job:
            self.sample(job[SENT])
        self.add(1)

    # The other side.

    def go(self) -> None:
        """Let the process begin."""
        self._words[_GO] = time.monotonic_ns()

    def is_ready(self) -> bool:
        """Whether the process could begin."""
        return bool(self._words[_READY])

    @property
    def went_ns(self) -> int:
        """When it was let begin; 0 before."""
        return self._words[_GO]

    @property
    def count(self) -> int:
        """How many it has handled."""
        return self._words[_COUNT]

    @property
    def first_ns(self) -> int:
        """When it handled the first; 0 before."""
        return self._words[_FIRST]

    @property
    def last_ns(self) -> int:
        """When it handled the last; 0 before the first."""
        return self._words[_LAST]

    @property
    def gap_seconds(self) -> float:
        """The longest time in which it was handed nothing."""
        return self._words[_GAP] / 1e9

    def samples_ms(self) -> list[float]:
        """The probes' latencies, sorted."""
        return sorted(self._words[_SAMPLES + index] / 1e6 for index in range(self._words[_SAMPLED]))

    def clear(self) -> None:
        """Forget everything, while nobody writes."""
        for word in range(_WORDS):
            self._words[word] = 0

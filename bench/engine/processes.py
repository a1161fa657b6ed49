"""Several consumer processes on one file: how fast they are together, and what each of them gets."""

from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.engine.filling import fill_file
from bench.engine.worker import workers
from bench.kit import spawn

DRAIN_SECONDS = 600.0
"""A run that takes longer has failed."""


class Shared(NamedTuple):
    """What one run of several processes came to."""

    rate: float
    counts: tuple[int, ...]
    """Messages handled by each process."""
    gap_seconds: float
    """The longest time in which any of them was handed nothing while there was a backlog."""

    @property
    def least(self) -> float:
        """What the poorest process got, as a share of an equal part."""
        return min(self.counts) * len(self.counts) / sum(self.counts)


def drain_together(folder: Path, count: int, processes: int, size: int) -> Shared:
    """Messages a second from the moment all processes are let begin to the last message handled."""
    with spawn.scratch(folder) as scratch:
        path = scratch / "q.db"
        uvloop.run(fill_file(path, count))
        with workers(scratch, path, processes, size) as made:
            tallies = [tally for _, tally in made]
            spawn.wait(
                "the consumer processes to empty the queue",
                lambda: sum(tally.count for tally in tallies) >= count,
                *(process for process, _ in made),
                seconds=DRAIN_SECONDS,
            )
            counts = tuple(tally.count for tally in tallies)
            end_ns = max(tally.last_ns for tally in tallies)
            # Who was handed nothing until the end has waited since its last batch, or since the start.
            gaps = [(end_ns - (tally.last_ns or tally.went_ns)) / 1e9 for tally in tallies]
            gaps += [tally.gap_seconds for tally in tallies]
            seconds = (end_ns - min(tally.went_ns for tally in tallies)) / 1e9
    return Shared(sum(counts) / seconds, counts, max(gaps))

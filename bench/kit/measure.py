"""The clockwork of a comparison: ours and a yardstick in turn, so that a noisy machine hits both alike."""

import gc
import math
import statistics
from collections.abc import Callable
from typing import NamedTuple

from bench.kit.report import progress

Run = Callable[[], float]
"""Does the work once and returns its rate a second."""


class Round(NamedTuple):
    """One run of ours, and the mean of the yardstick's runs before and after it."""

    ours: float
    yardstick: float

    @property
    def ratio(self) -> float:
        """Ours as a share of the yardstick."""
        return self.ours / self.yardstick


class Comparison(NamedTuple):
    """The rounds of a comparison, by rising ratio."""

    rounds: tuple[Round, ...]

    @property
    def middle(self) -> Round:
        """The round whose ratio is the median (of an even number, the lower one)."""
        return self.rounds[(len(self.rounds) - 1) // 2]

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest ratio."""
        return self.rounds[0].ratio, self.rounds[-1].ratio


def compare(name: str, rounds: int, *, ours: Run, yardstick: Run) -> Comparison:
    """Yardstick, ours, yardstick, ours, ..., yardstick: each run of ours stands between two of the yardstick."""
    progress(f"{name}: yardstick")
    before = _run(yardstick)
    made = []
    for number in range(1, rounds + 1):
        progress(f"{name}: round {number} of {rounds}")
        rate = _run(ours)
        after = _run(yardstick)
        made.append(Round(rate, statistics.mean((before, after))))
        before = after
    return Comparison(tuple(sorted(made, key=lambda one: one.ratio)))


def percentile(ordered: list[float], share: float) -> float:
    """The smallest of the ordered values that at least `share` of them do not exceed."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _run(run: Run) -> float:
    gc.collect()
    return run()

"""The states of a job, and the only moves between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    """Queued for a moment that its sender chose."""
    PROCESSING = "processing"
    RETRY_SCHEDULED = "retry_scheduled"
    """Failed for now; it will be tried again."""
    DONE = "done"
    FAILED = "failed"
    """Failed for good; it lies in the dead-letter queue."""
    UNCERTAIN = "uncertain"
    """A worker died in its middle and nobody knows what it did; a person has to look."""
    CANCELLED = "cancelled"
    """Called off before it began; its message in the queue does nothing when it comes."""


S = JobState

MOVES: Final[Mapping[JobState, frozenset[JobState]]] = MappingProxyType(
    {
        S.QUEUED: frozenset({S.PROCESSING, S.FAILED, S.CANCELLED}),
        S.SCHEDULED: frozenset({S.PROCESSING, S.FAILED, S.CANCELLED}),
        # Processing again: the worker before died or lost its lease.
        S.PROCESSING: frozenset({S.PROCESSING, S.RETRY_SCHEDULED, S.DONE, S.FAILED, S.UNCERTAIN}),
        S.RETRY_SCHEDULED: frozenset({S.PROCESSING, S.FAILED, S.CANCELLED}),
        S.DONE: frozenset(),
        # A person may redrive what failed and what is uncertain.
        S.FAILED: frozenset({S.PROCESSING}),
        S.UNCERTAIN: frozenset({S.PROCESSING}),
        S.CANCELLED: frozenset(),
    }
)
"""State to the states that may follow it."""

FINAL: Final = frozenset({S.DONE, S.FAILED, S.UNCERTAIN, S.CANCELLED})
"""States in which nothing more happens by itself."""


def may_move(before: JobState, after: JobState) -> bool:
    """Whether the table has that move."""
    return after in MOVES[before]

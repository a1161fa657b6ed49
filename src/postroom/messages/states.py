"""The states of a message, and how they follow from the state of the job that sends it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from postroom.jobs.states import JobState


class MessageState(StrEnum):
    """Where a message is."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    RETRY_SCHEDULED = "retry_scheduled"
    SENT = "sent"
    """The provider took it over; that is not yet delivery."""
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    """Nobody knows whether the provider got it."""


OF_JOB: Final[Mapping[JobState, MessageState]] = MappingProxyType(
    {
        JobState.QUEUED: MessageState.QUEUED,
        JobState.SCHEDULED: MessageState.SCHEDULED,
        JobState.PROCESSING: MessageState.PROCESSING,
        JobState.RETRY_SCHEDULED: MessageState.RETRY_SCHEDULED,
        JobState.DONE: MessageState.SENT,
        JobState.FAILED: MessageState.FAILED,
        JobState.UNCERTAIN: MessageState.UNCERTAIN,
    }
)

RESENDABLE: Final = frozenset({MessageState.FAILED})
"""States in which a new job may be enqueued for the same messageId; in all others it is a duplicate."""

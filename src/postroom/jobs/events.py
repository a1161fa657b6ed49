"""What the jobs announce: subscribe with `queues.events.subscribe(Kind, listener)`. No event holds contents."""

import msgspec


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Root of the jobs' events."""

    job_id: str
    type: str
    queue: str
    attempt: int


class JobStarted(JobEvent, frozen=True, kw_only=True):
    """A processor begins."""

    wait_seconds: float | None = None
    """How long it has been due; None where no ledger knows."""


class JobFinished(JobEvent, frozen=True, kw_only=True):
    """A processor has ended and its outcome is recorded."""

    outcome: str
    """`done`, `retry`, `failed`, `skipped` or `held`."""
    duration_seconds: float
    code: str | None = None
    reason: str | None = None
    delay_seconds: float | None = None


class JobRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the queue is not a job that anyone can process; it went to the dead-letter queue."""

    message_id: str
    queue: str
    reason: str

"""The port to whoever keeps records of jobs: the application's database, or nobody.

The producer asks it to store a job together with its message in the queue; the dispatcher tells it when an
attempt begins and how it ended.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from postroom.jobs.models import Job, Priority
from postroom.jobs.outcome import JobContext, Outcome
from postroom.jobs.policy import Decision
from postroom.kit.actor import Actor
from postroom.kit.clock import to_datetime
from postroom.queues import MessageSendRequest, Queue


class Entry(NamedTuple):
    """A job about to be enqueued: checked, encoded and timed."""

    job: Job
    type: str
    reference: str | None
    """Its messageId or exportId."""
    priority: Priority
    delay_seconds: float
    send_at_us: int | None
    """When the sender wants it, if that lies in the future."""
    body: bytes
    sealed: bool = False
    """Whether the body is no longer JSON."""

    def request(self, trace: Mapping[str, str] | None = None) -> MessageSendRequest:
        """The message in the queue; `trace` continues the trace of who enqueues it."""
        return MessageSendRequest(
            self.body if self.sealed else msgspec.Raw(self.body),
            content_type="bytes" if self.sealed else "json",
            delay_seconds=self.delay_seconds,
            priority=self.priority,
            trace=trace,
        )


class Enqueued(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to an enqueued job."""

    job_id: str
    type: str
    reference: str | None
    queue: str
    priority: str
    status: str
    """`queued`, or `scheduled` when its sender chose a later moment."""
    enqueued_at: datetime
    scheduled_for: datetime | None
    duplicate: bool = False
    """Whether this is the answer to an earlier enqueueing of the same messageId or exportId."""


class Begun(NamedTuple):
    """The answer to the beginning of an attempt."""

    number: int
    """Attempts of this job so far, over redrives too, this one included."""
    skip: str | None = None
    """Why there is nothing to do; the message is acknowledged."""
    hold: str | None = None
    """Why a person has to look first; the message goes to the dead-letter queue."""
    due_us: int | None = None
    """When it could have begun: from then on it waited."""


class Ledger(Protocol):
    """Keeps records of jobs."""

    async def enqueue(self, queue: Queue, entries: Sequence[Entry], actor: Actor | str) -> Sequence[Enqueued]:
        """Store the jobs and send their messages, all in one act; known references are answered as duplicates."""

    async def begin(self, context: JobContext, job: Job) -> Begun:
        """Record that an attempt begins, before anything is done."""

    async def end(
        self, context: JobContext, job: Job, number: int, outcome: Outcome, decision: Decision
    ) -> None:
        """Record how the attempt ended, before the message is settled."""

    async def history(self, job_id: str) -> Mapping[str, Any]:
        """What a dead letter should carry along: the job's facts and its attempts, without health data."""


class NoLedger:
    """Keeps no records: the queue is all there is."""

    async def enqueue(self, queue: Queue, entries: Sequence[Entry], actor: Actor | str) -> Sequence[Enqueued]:
        """Send the messages."""
        sent = await queue.send_batch([entry.request() for entry in entries])
        now_us = queue.clock.now_us()
        return [
            answer(result.id, entry, queue.name, now_us) for result, entry in zip(sent, entries, strict=True)
        ]

    async def begin(self, context: JobContext, job: Job) -> Begun:
        """Every attempt is a fresh one."""
        return Begun(context.attempt)

    async def end(
        self, context: JobContext, job: Job, number: int, outcome: Outcome, decision: Decision
    ) -> None:
        """Nothing to record."""

    async def history(self, job_id: str) -> Mapping[str, Any]:
        """Nothing is known."""
        return {}


def answer(job_id: str, entry: Entry, queue: str, now_us: int) -> Enqueued:
    """The answer for a job that has just been stored."""
    return Enqueued(
        job_id=job_id,
        type=entry.type,
        reference=entry.reference,
        queue=queue,
        priority=entry.priority,
        status="queued" if entry.send_at_us is None else "scheduled",
        enqueued_at=to_datetime(now_us),
        scheduled_for=None if entry.send_at_us is None else to_datetime(entry.send_at_us),
    )

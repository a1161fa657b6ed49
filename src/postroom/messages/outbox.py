"""Putting a message's job into the queue, in the transaction that decided to send it."""

from typing import NamedTuple

import msgspec

from postroom.jobs.models import Priority
from postroom.jobs.policy import PriorityDelays
from postroom.jobs.registry import JobRegistry
from postroom.jobs.states import JobState
from postroom.kit.clock import MICROSECOND
from postroom.kit.tracing import trace_id_of
from postroom.messages.job import MessageJob
from postroom.queues import MessageSendRequest, Queue
from postroom.store import StoreTransaction


class Put(NamedTuple):
    """A job that was put."""

    job_id: str
    scheduled: bool
    """Whether it is for a later moment."""


class Outbox:
    """Enqueues `message_send` jobs."""

    def __init__(
        self, queue: Queue, registry: JobRegistry, *, delays: PriorityDelays, max_attempts: int
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._delays = delays
        self._max_attempts = max_attempts

    def put(
        self,
        transaction: StoreTransaction,
        message_id: str,
        priority: Priority,
        *,
        now_us: int,
        send_at_us: int | None = None,
    ) -> Put:
        """Send the message's job with the transaction; a moment in the past means at once."""
        delay_seconds = self._delays.seconds(priority)
        later = send_at_us is not None and send_at_us > now_us
        if send_at_us is not None:
            delay_seconds = max(0.0, (send_at_us - now_us) / MICROSECOND)
        job = MessageJob(message_id=message_id, priority=priority)
        request = MessageSendRequest(
            msgspec.Raw(self._registry.encode(job)),
            delay_seconds=delay_seconds,
            priority=priority,
            trace=transaction.trace,
        )
        (sent,) = self._queue.enlist([request], transaction=transaction.connection)
        transaction.run(
            "insert_job", id=sent.id, type="message_send", queue=self._queue.name, reference=message_id,
            priority=priority, status=JobState.SCHEDULED if later else JobState.QUEUED,
            max_attempts=self._max_attempts, now_us=now_us, send_at_us=send_at_us if later else None,
            trace_id=trace_id_of(transaction.trace),
        )  # fmt: skip
        return Put(sent.id, later)

"""Enqueueing jobs: the reference document's producer.

producer = JobProducer(queues.env.MESSAGE_QUEUE, JobRegistry())
await producer.enqueue_email(message_id="msg-123", recipient="patient@example.com",
                             subject="Appointment Reminder", content="...", priority="high")
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom.jobs.ledger import Enqueued, Entry, Ledger, NoLedger
from postroom.jobs.models import EmailJob, Job, Priority, SmsJob, priority_of
from postroom.jobs.policy import PriorityDelays
from postroom.jobs.registry import JobRegistry
from postroom.jobs.validation import JobInvalid, Problem, check_job, decode_job
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, Clock, to_us
from postroom.kit.tracing import NoTracer, Tracer
from postroom.queues import MessageRejected, Queue
from postroom.queues.limits import BATCH_COUNT_MAX

SYSTEM = "system"
"""The actor of what nobody asked for by name."""


class JobProducer:
    """Puts jobs into a queue, by priority and time.

    High priority is available at once, normal after 1 s, low after 5 s (`delays`), and among what is due the
    queue delivers high before normal before low. `seal` makes bodies unreadable in the queue. With a ledger, the
    job's record and its message come into being in one transaction, and a messageId or exportId that is on its way
    or done is not enqueued again.
    """

    def __init__(
        self,
        queue: Queue,
        registry: JobRegistry,
        *,
        delays: PriorityDelays | None = None,
        ledger: Ledger | None = None,
        tracer: Tracer | None = None,
        seal: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.registry = registry
        self._seal = seal
        self._tracer: Tracer = tracer or NoTracer()
        self._queue = queue
        self._delays = delays or PriorityDelays()
        self._ledger: Ledger = ledger or NoLedger()
        self._clock: Clock = queue.clock

    def read(self, data: bytes | str | Mapping[str, Any]) -> Job:
        """A job from JSON or a mapping with wire names; raises JobInvalid, naming each field and reason."""
        return decode_job(data, self.registry, clock=self._clock)

    def prepare(
        self,
        job: Job | Mapping[str, Any] | bytes | str,
        *,
        send_at: datetime | None = None,
        ours: bool = False,
    ) -> Entry:
        """A job checked, encoded and timed, for `enqueue_prepared`; given as its model, a mapping or JSON.

        `ours`: of a type that nobody else may enqueue. Raises JobInvalid.
        """
        checked = (
            self.read(job)
            if isinstance(job, bytes | str | Mapping)
            else check_job(job, self.registry, clock=self._clock)
        )
        kind = self.registry.type_of(checked)
        if self.registry.is_internal(kind) and not ours:
            raise JobInvalid(
                [Problem("type", f"{kind} is made by the application itself and cannot be enqueued")]
            )
        priority = priority_of(checked)
        delay = self._delays.seconds(priority)
        send_at_us = None
        if send_at is not None:
            delay = max(0.0, (to_us(send_at) - self._clock.now_us()) / MICROSECOND)
            send_at_us = to_us(send_at) if delay else None
        reference = getattr(checked, "message_id", None) or getattr(checked, "export_id", None)
        body = self.registry.encode(checked)
        sealed = self._seal is not None
        if self._seal is not None:
            body = self._seal(body)
        return Entry(checked, kind, reference, priority, delay, send_at_us, body, sealed)

    async def enqueue_prepared(
        self, entries: Sequence[Entry], *, actor: Actor | str = SYSTEM
    ) -> Sequence[Enqueued]:
        """Enqueue 1..100 prepared jobs, all or none; the answers are in their order."""
        if not 1 <= len(entries) <= BATCH_COUNT_MAX:
            raise MessageRejected(f"a batch has 1 to {BATCH_COUNT_MAX} jobs, not {len(entries)}")
        attributes = {"count": len(entries), "size": sum(len(entry.body) for entry in entries)}
        with self._tracer.publish(self._queue.name, attributes) as span:
            enqueued = await self._ledger.enqueue(self._queue, entries, actor)
            span.note({"id": enqueued[0].job_id, "type": entries[0].type})
            return enqueued

    async def enqueue_job(
        self, job: Job | Mapping[str, Any], *, send_at: datetime | None = None, actor: Actor | str = SYSTEM
    ) -> Enqueued:
        """Enqueue one job, given as its model or as a mapping with wire names.

        Raises JobInvalid, and what `Queue.send` raises.
        """
        return (await self.enqueue_batch([job], send_at=send_at, actor=actor))[0]

    async def enqueue_batch(
        self,
        jobs: Sequence[Job | Mapping[str, Any]],
        *,
        send_at: datetime | None = None,
        actor: Actor | str = SYSTEM,
    ) -> Sequence[Enqueued]:
        """Enqueue 1..100 jobs, all or none; the answers are in the order of the jobs."""
        return await self.enqueue_prepared([self.prepare(job, send_at=send_at) for job in jobs], actor=actor)

    async def enqueue_send_later(
        self, job: Job | Mapping[str, Any], send_at: datetime, *, actor: Actor | str = SYSTEM
    ) -> Enqueued:
        """Enqueue a job for a moment, however far away; a moment in the past means at once.

        Raises ValueError for a datetime without a time zone.
        """
        return await self.enqueue_job(job, send_at=send_at, actor=actor)

    async def enqueue_email(
        self, *, message_id: str, recipient: str, subject: str, content: str, priority: Priority = "normal"
    ) -> Enqueued:
        """Enqueue an email."""
        return await self.enqueue_job(
            EmailJob(
                message_id=message_id,
                recipient=recipient,
                subject=subject,
                content=content,
                priority=priority,
            )
        )

    async def enqueue_sms(
        self, *, message_id: str, recipient: str, content: str, priority: Priority = "normal"
    ) -> Enqueued:
        """Enqueue a text message to an E.164 number."""
        return await self.enqueue_job(
            SmsJob(message_id=message_id, recipient=recipient, content=content, priority=priority)
        )

    async def enqueue_export(
        self, *, export_id: str, user_id: str, format: str, filters: Mapping[str, Any] | None = None
    ) -> Enqueued:
        """Enqueue an export in `csv` or `json`."""
        fields = {"exportId": export_id, "userId": user_id, "format": format, "filters": dict(filters or {})}
        return await self.enqueue_job({"type": "export_generation", **fields})

    async def enqueue_cleanup(self, *, target: str, older_than: datetime) -> Enqueued:
        """Enqueue a cleanup of `audit_logs`, `message_queue` or `temp_files` older than a moment."""
        fields = {"target": target, "olderThan": older_than.isoformat()}
        return await self.enqueue_job({"type": "cleanup", **fields})

"""From a batch of messages to the processors of their jobs.

The jobs of a batch run concurrently, and one that fails never touches its neighbours. What a processor
returns or raises becomes an outcome, the policy turns the outcome into a decision, the ledger records it, and
only then is the message settled: who dies in between finds the record when the message comes again.
"""

import asyncio
from collections.abc import Callable

import msgspec

from postroom.jobs.events import JobFinished, JobRejected, JobStarted
from postroom.jobs.ledger import Ledger, NoLedger
from postroom.jobs.models import Job
from postroom.jobs.outcome import (
    Done,
    JobContext,
    Outcome,
    PermanentError,
    RetryAfter,
    TemporaryError,
    outcome_of,
    outcome_of_result,
)
from postroom.jobs.policy import DeadLetter, Decision, Retry, RetryPolicy, Settle
from postroom.jobs.registry import JobRegistry
from postroom.jobs.validation import JobInvalid, decode_job
from postroom.kit.clock import MICROSECOND, Clock
from postroom.kit.events import Events
from postroom.kit.tracing import Attributes, NoTracer, Span, Tracer
from postroom.queues import Message, MessageBatch

RECORD_RETRY_SECONDS = 30
"""Delay before a message comes again whose record could not be written."""


class Dispatcher:
    """The consumer of a queue of jobs: `queues.consumer("message-delivery")(dispatcher)`."""

    def __init__(
        self,
        registry: JobRegistry,
        *,
        clock: Clock,
        events: Events,
        policy: RetryPolicy | None = None,
        ledger: Ledger | None = None,
        tracer: Tracer | None = None,
        unseal: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._events = events
        self._policy = policy or RetryPolicy()
        self._ledger: Ledger = ledger or NoLedger()
        self._tracer: Tracer = tracer or NoTracer()
        self._unseal = unseal or _as_it_is

    async def __call__(self, batch: MessageBatch) -> None:
        """Process a batch; returns when all its messages are decided."""
        await asyncio.gather(*(self._process(message, batch.queue) for message in batch.messages))

    async def _process(self, message: Message, queue: str) -> None:
        try:
            raw = self._unseal(message.raw)
        except Exception as error:
            # Its key is not configured here, or it was changed: nothing about the job is known.
            reason = f"the body cannot be opened: {type(error).__name__}"
            self._events.emit(JobRejected(message_id=message.id, queue=queue, reason=reason))
            message.retry(delay_seconds=RECORD_RETRY_SECONDS)
            return
        try:
            job = decode_job(raw, self._registry, clock=self._clock)
        except JobInvalid as error:
            reason = f"not a valid job: {error}"
            self._events.emit(JobRejected(message_id=message.id, queue=queue, reason=reason))
            message.dead_letter(reason)
            return
        context = JobContext(
            job_id=message.id,
            type=self._registry.type_of(job),
            attempt=message.attempts,
            max_attempts=self._policy.max_attempts,
            enqueued_at=message.timestamp,
            queue=queue,
            clock=self._clock,
        )
        with (
            self._clock.working(),
            self._tracer.process(queue, message.trace, self._attributes(message, context)) as span,
        ):
            try:
                await self._attempt(message, job, context, span)
            except Exception as error:
                # The record could not be read or written. The job itself is not to blame.
                span.fail(type(error).__name__, error)
                self._announce(context, "retry", reason=f"record: {type(error).__name__}")
                message.retry(delay_seconds=RECORD_RETRY_SECONDS)

    def _attributes(self, message: Message, context: JobContext) -> Attributes:
        waited_us = self._clock.now_us() - message.leased.sent_us
        return {
            "id": message.id,
            "type": context.type,
            "size": len(message.raw),
            "attempt": context.attempt,
            "waited_seconds": waited_us / MICROSECOND,
        }

    async def _attempt(self, message: Message, job: Job, context: JobContext, span: Span) -> None:
        begun = await self._ledger.begin(context, job)
        if begun.skip is not None:
            self._announce(context, "skipped", reason=begun.skip)
            message.ack()
            return
        if begun.hold is not None:
            self._announce(context, "held", reason=begun.hold)
            message.dead_letter(begun.hold, details=await self._ledger.history(context.job_id))
            return
        started_us = self._clock.now_us()
        if self._events:
            self._events.emit(_started(context, started_us, begun.due_us))
        outcome = await self._run(job, msgspec.structs.replace(context, number=begun.number), span)
        decision = self._policy.decide(outcome, context.attempt)
        await self._ledger.end(context, job, begun.number, outcome, decision)
        await self._settle(message, decision, context)
        if isinstance(outcome, Done):
            span.note({"outcome": "done"})
        else:
            span.note({"outcome": type(outcome).__name__.lower(), "code": outcome.code or ""})
        if self._events:
            self._finished(context, outcome, decision, (self._clock.now_us() - started_us) / MICROSECOND)

    async def _run(self, job: Job, context: JobContext, span: Span) -> Outcome:
        processor = self._registry.processor_of(context.type)
        try:
            if processor is None:
                return RetryAfter(None, "no processor for this type of job runs here")
            return outcome_of_result(await processor(job, context))
        except Exception as error:
            if not isinstance(error, TemporaryError | PermanentError):
                # A bug, or something that nobody foresaw.
                span.fail(type(error).__name__, error)
            return outcome_of(error)

    async def _settle(self, message: Message, decision: Decision, context: JobContext) -> None:
        match decision:
            case Settle():
                message.ack()
            case Retry():
                message.retry(delay_seconds=decision.delay_seconds)
            case DeadLetter():
                message.dead_letter(decision.reason, details=await self._ledger.history(context.job_id))

    def _finished(self, context: JobContext, outcome: Outcome, decision: Decision, seconds: float) -> None:
        word = {Settle: "done", Retry: "retry", DeadLetter: "failed"}[type(decision)]
        delay = decision.delay_seconds if isinstance(decision, Retry) else None
        reason = None if isinstance(outcome, Done) else outcome.reason
        code = None if isinstance(outcome, Done) else outcome.code
        self._announce(context, word, seconds, code=code, reason=reason, delay_seconds=delay)

    def _announce(
        self,
        context: JobContext,
        outcome: str,
        seconds: float = 0.0,
        *,
        code: str | None = None,
        reason: str | None = None,
        delay_seconds: float | None = None,
    ) -> None:
        self._events.emit(
            JobFinished(
                job_id=context.job_id,
                type=context.type,
                queue=context.queue,
                attempt=context.attempt,
                outcome=outcome,
                duration_seconds=seconds,
                code=code,
                reason=reason,
                delay_seconds=delay_seconds,
            )
        )


def _as_it_is(body: bytes) -> bytes:
    return body


def _started(context: JobContext, now_us: int, due_us: int | None) -> JobStarted:
    return JobStarted(
        job_id=context.job_id, type=context.type, queue=context.queue, attempt=context.attempt,
        wait_seconds=None if due_us is None else max(0.0, (now_us - due_us) / MICROSECOND),
    )  # fmt: skip

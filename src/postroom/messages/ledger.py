"""The ledger of jobs in the application's database.

Enqueueing stores the job, its message or export, the audit entry and the queue's message in one transaction.
An attempt is recorded before anything is done, and its end before the message is settled; so a worker that
finds an attempt without an end knows that another one died in its middle. What a dead worker may have sent is
`claims`' to find out: it has a row for each call to a provider.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import msgspec

from postroom.audit import record
from postroom.jobs.ledger import Begun, Enqueued, Entry, answer
from postroom.jobs.models import EmailJob, ExportJob, Job, SmsJob, priority_of
from postroom.jobs.outcome import Done, Failed, JobContext, Outcome, RetryAfter, Uncertain
from postroom.jobs.policy import DeadLetter, Decision, Retry, Settle
from postroom.jobs.states import FINAL, JobState, may_move
from postroom.kit.actor import WORKER, Actor
from postroom.kit.clock import MICROSECOND, Clock, to_datetime, to_us
from postroom.kit.tracing import trace_id_of
from postroom.messages.failures import note_failure
from postroom.messages.history import describe
from postroom.messages.job import MessageJob
from postroom.messages.records import Records
from postroom.messages.states import OF_JOB, REENQUEUEABLE, MessageState, target
from postroom.queues import MessageRejected, Queue, QueueDraining
from postroom.store import Conflict, Store, StoreTransaction

EXPORT = "export_generation"
SENDING = (EmailJob, SmsJob, MessageJob)
"""The jobs that send a message."""
SENDING_TYPES = ("email_send", "sms_send", "message_send")
FAILURES = (JobState.FAILED, JobState.UNCERTAIN)
DIED = "the worker died in its middle"


class StoreLedger:
    """Keeps the records of jobs, and of the messages that jobs bring with them."""

    def __init__(self, store: Store, clock: Clock, records: Records, *, max_attempts: int) -> None:
        self._store = store
        self._clock = clock
        self._records = records
        self._max_attempts = max_attempts
        self._worker = f"{socket.gethostname()}/{os.getpid()}"

    async def enqueue(self, queue: Queue, entries: Sequence[Entry], actor: Actor | str) -> Sequence[Enqueued]:
        """All in one transaction; a known messageId or exportId is answered with its first answer."""

        def put(transaction: StoreTransaction) -> Sequence[Enqueued]:
            hold = transaction.one("find_hold", queue=queue.name)
            if hold is not None and hold["kind"] == "drain":
                raise QueueDraining(queue.name, hold["until_us"], hold["reason"])
            return self.enlist(transaction, queue, entries, actor)

        return await self._store.write(put)

    async def begin(self, context: JobContext, job: Job) -> Begun:
        """Record the attempt, or say why there must be none."""
        return await self._store.write(lambda transaction: self._begin(transaction, context, job))

    async def end(
        self, context: JobContext, job: Job, number: int, outcome: Outcome, decision: Decision
    ) -> None:
        """Record how the attempt ended and where the job and its message are now."""
        await self._store.write(
            lambda transaction: self._end(transaction, context, job, number, outcome, decision)
        )

    async def give_up(self, job_id: str, reason: str, *, seen_us: int | None = None) -> None:
        """Record that the queue gave a job up that nobody settled: every worker that had it died or lost it.

        With `seen_us`, the moment of its death, only if its record has not changed after that.
        """
        await self._store.write(lambda transaction: self._give_up(transaction, job_id, reason, seen_us))

    async def unfinished(self, job_ids: Sequence[str]) -> Sequence[str]:
        """Those of the jobs that are known and whose record does not say that they have ended."""

        def read(transaction: StoreTransaction) -> Sequence[str]:
            jobs = [transaction.one("find_job", id=job_id) for job_id in job_ids]
            return [job["id"] for job in jobs if job is not None and job["status"] not in FINAL]

        return await self._store.read(read)

    async def history(self, job_id: str) -> Mapping[str, Any]:
        """The job's facts and attempts."""
        return await self._store.read(lambda transaction: describe(transaction, job_id))

    def enlist(
        self, transaction: StoreTransaction, queue: Queue, entries: Sequence[Entry], actor: Actor | str
    ) -> Sequence[Enqueued]:
        """The same in a transaction of the caller's."""
        now_us = self._clock.now_us()
        answers: list[Enqueued] = []
        given: dict[tuple[str, str], Enqueued] = {}
        for entry in entries:
            mark = (entry.type, entry.reference) if entry.reference is not None else None
            known = given.get(mark) if mark is not None else None
            found = _repeated(known) if known is not None else self._known(transaction, entry)
            if found is None:
                (sent,) = queue.enlist([entry.request(transaction.trace)], transaction=transaction.connection)
                found = answer(sent.id, entry, queue.name, now_us)
                self._insert(transaction, entry, found, now_us)
                # fmt: off
                record(transaction, at_us=now_us, actor=actor, action="job.enqueued", object_type="job",
                       object_id=sent.id, details={"type": entry.type, "reference": entry.reference})
                # fmt: on
            if mark is not None:
                given[mark] = found
            answers.append(found)
        return answers

    # Inside the transaction.

    def _known(self, transaction: StoreTransaction, entry: Entry) -> Enqueued | None:
        """The first answer for the entry's messageId or exportId, if that is on its way or done."""
        if entry.reference is None:
            return None
        query = "find_export_state" if isinstance(entry.job, ExportJob) else "find_message_state"
        state = transaction.one(query, id=entry.reference)
        if state is None or state["status"] in REENQUEUEABLE:
            return None
        job = transaction.one("find_job", id=state["job_id"])
        if job is not None:
            return _first_answer(job)
        # No job was ever put for it: it belongs to the person who writes it.
        raise MessageRejected(
            f"{entry.reference} is the id of a message that is {state['status']}; send that one, or choose another id"
        )

    def _insert(self, transaction: StoreTransaction, entry: Entry, made: Enqueued, now_us: int) -> None:
        # fmt: off
        transaction.run(
            "insert_job", id=made.job_id, type=entry.type, queue=made.queue, reference=entry.reference,
            priority=entry.priority, status=made.status, max_attempts=self._max_attempts, now_us=now_us,
            send_at_us=entry.send_at_us, trace_id=trace_id_of(transaction.trace),
        )
        # fmt: on
        self._insert_subject(transaction, entry.job, made.job_id, made.status, entry.send_at_us, now_us)

    def _insert_subject(
        self,
        transaction: StoreTransaction,
        job: Job,
        job_id: str,
        status: str,
        send_at_us: int | None,
        now_us: int,
    ) -> None:
        """The record of what the job is about: a message, an export, or nothing."""
        if isinstance(job, EmailJob | SmsJob):
            email = isinstance(job, EmailJob)
            values = {
                "channel": "email" if email else "sms", "recipient": job.recipient, "content": job.content,
                "subject": job.subject if isinstance(job, EmailJob) else None, "status": status,
                "priority": job.priority, "send_at_us": send_at_us, "job_id": job_id, "now_us": now_us,
            }  # fmt: skip
            self._records.insert(transaction, job.message_id, values)
        elif isinstance(job, ExportJob):
            made = transaction.run(
                "insert_export", id=job.export_id, job_id=job_id, user_id=job.user_id, format=job.format,
                compression=job.compression, status=status, now_us=now_us,
            )  # fmt: skip
            if not made:
                raise Conflict(f"another transaction has made the export {job.export_id}")

    def _begin(self, transaction: StoreTransaction, context: JobContext, job: Job) -> Begun:
        now_us = self._clock.now_us()
        known = transaction.one("find_job", id=context.job_id)
        if known is None:
            known = self._adopt(transaction, context, job, now_us)
            if known is None:
                return Begun(0, skip="another job is in charge of this message")
        state = JobState(known["status"])
        if state in (JobState.FAILED, JobState.UNCERTAIN) and context.attempt > 1:
            # Not brought back by a person (a redriven message starts at 1): the worker died between the record of
            # the failure and the dead letter.
            return Begun(known["attempts"], hold=known["reason"] or state)
        if not may_move(state, JobState.PROCESSING):
            return Begun(known["attempts"], skip=f"the job is {state} already")
        number = 1 + known["attempts"]
        why = self._not_to_be_sent(transaction, context, job, now_us) if isinstance(job, SENDING) else None
        if state is JobState.PROCESSING:
            # It may have died after its message's fate was on record, and before its own.
            outcome = "unknown" if why is None else "done"
            transaction.run(
                "close_lost_attempts", job_id=context.job_id, now_us=now_us, reason=DIED, outcome=outcome
            )
        if isinstance(job, SENDING) and why is not None:
            self._change_job(transaction, context, JobState.DONE, now_us, reason=why)
            return Begun(number, skip=why)
        transaction.run(
            "begin_attempt", job_id=context.job_id, number=number, now_us=now_us, worker=self._worker
        )
        self._change_job(transaction, context, JobState.PROCESSING, now_us, attempts=number)
        if isinstance(job, ExportJob):
            self._change_export(transaction, context, job, JobState.PROCESSING)
        due_us = known["next_us"] if known["attempts"] else max(known["created_us"], known["send_at_us"] or 0)
        return Begun(number, due_us=due_us)

    def _not_to_be_sent(
        self,
        transaction: StoreTransaction,
        context: JobContext,
        job: EmailJob | SmsJob | MessageJob,
        now_us: int,
    ) -> str | None:
        """Why the job's message must not be sent by it; None when it is being sent now."""
        message = transaction.one("find_message_state", id=job.message_id)
        if message is None:
            return "there is no such message"
        if message["job_id"] != context.job_id:
            return "another job is in charge of this message"
        state = MessageState(message["status"])
        if target("begin", state) is None:
            return f"the message is {state}"
        self._records.move(transaction, job.message_id, "begin", actor=WORKER, now_us=now_us)
        return None

    def _adopt(
        self, transaction: StoreTransaction, context: JobContext, job: Job, now_us: int
    ) -> dict[str, Any] | None:
        """Make the records of a job that was sent to the queue directly; None when its message is another's."""
        reference = getattr(job, "message_id", None) or getattr(job, "export_id", None)
        if reference is not None:
            query = "find_export_state" if isinstance(job, ExportJob) else "find_message_state"
            state = transaction.one(query, id=reference)
            if state is not None and state["status"] not in REENQUEUEABLE:
                return None
        # fmt: off
        transaction.run(
            "insert_job", id=context.job_id, type=context.type, queue=context.queue, reference=reference,
            priority=priority_of(job), status=JobState.QUEUED, max_attempts=context.max_attempts,
            now_us=to_us(context.enqueued_at), send_at_us=None, trace_id=None,
        )
        # fmt: on
        self._insert_subject(transaction, job, context.job_id, JobState.QUEUED, None, now_us)
        return transaction.one("find_job", id=context.job_id)

    def _give_up(self, transaction: StoreTransaction, job_id: str, reason: str, seen_us: int | None) -> None:
        job, now_us = transaction.one("find_job", id=job_id), self._clock.now_us()
        if job is None or job["status"] in FINAL or (seen_us is not None and job["updated_us"] > seen_us):
            return
        transaction.run("close_lost_attempts", job_id=job_id, now_us=now_us, reason=DIED, outcome="unknown")
        # A message may have left before its worker died; anything else has just not been done.
        sending = job["type"] in SENDING_TYPES and job["reference"] is not None
        called = sending and transaction.one("open_delivery_of_job", job_id=job_id) is not None
        state = JobState.UNCERTAIN if called else JobState.FAILED
        # fmt: off
        transaction.run(
            "change_job", id=job_id, status=state, attempts=job["attempts"], now_us=now_us, next_us=None,
            finished_us=now_us, code="given_up", reason=reason,
            fingerprint=note_failure(transaction, job["type"], "given_up", reason, now_us),
        )
        # fmt: on
        if job["type"] == EXPORT:
            transaction.run(
                "change_export_status", id=job["reference"], job_id=job_id, status=state, reason=reason
            )
        elif sending:
            self._records.move(
                transaction, job["reference"], OF_JOB[state], actor=WORKER, now_us=now_us, job_id=job_id,
                code="given_up", reason=reason,
            )  # fmt: skip
        # fmt: off
        record(transaction, at_us=now_us, actor=WORKER, action=f"job.{state}", object_type="job", object_id=job_id,
               details={"type": job["type"], "code": "given_up"})
        # fmt: on

    def _end(
        self,
        transaction: StoreTransaction,
        context: JobContext,
        job: Job,
        number: int,
        outcome: Outcome,
        decision: Decision,
    ) -> None:
        now_us = self._clock.now_us()
        code = reason = next_us = None
        if isinstance(outcome, RetryAfter | Failed | Uncertain):
            code, reason = outcome.code, outcome.reason
        match decision:
            case Settle():
                state = JobState.DONE
            case Retry():
                state = JobState.RETRY_SCHEDULED
                next_us = now_us + round(decision.delay_seconds * MICROSECOND)
            case DeadLetter():
                doubt = isinstance(outcome, Uncertain) or self._in_doubt(transaction, context.job_id, job)
                state = JobState.UNCERTAIN if doubt else JobState.FAILED
                reason = decision.reason
            case _:
                assert_never(decision)
        # fmt: off
        transaction.run(
            "end_attempt", job_id=context.job_id, number=number, now_us=now_us, outcome=_word(outcome),
            provider=outcome.provider, code=code, reason=reason,
        )
        alike = note_failure(transaction, context.type, code, reason, now_us) if state in FAILURES else None
        self._change_job(transaction, context, state, now_us, attempts=number, code=code, reason=reason, next_us=next_us,
                         fingerprint=alike)
        if isinstance(job, SENDING):
            self._follow(transaction, context, job.message_id, state, now_us, code=code, reason=reason,
                         provider=outcome.provider)
        elif isinstance(job, ExportJob):
            self._change_export(transaction, context, job, state, reason)
        record(
            transaction, at_us=now_us, actor=WORKER, action=f"job.{state}", object_type="job",
            object_id=context.job_id, details={"type": context.type, "attempt": number, "code": code},
        )
        # fmt: on

    def _in_doubt(self, transaction: StoreTransaction, job_id: str, job: Job) -> bool:
        """Whether a call of the job may have been accepted: then its message is not failed, but uncertain."""
        if not isinstance(job, SENDING):
            return False
        return transaction.one("open_delivery_of_job", job_id=job_id) is not None

    def _follow(
        self,
        transaction: StoreTransaction,
        context: JobContext,
        message_id: str,
        state: JobState,
        now_us: int,
        **facts: Any,
    ) -> None:
        """Move the message as its job moved, unless its own events have moved it on already."""
        message = transaction.one("find_message_state", id=message_id)
        if message is not None and message["status"] == MessageState.PROCESSING:
            self._records.move(
                transaction,
                message_id,
                OF_JOB[state],
                actor=WORKER,
                now_us=now_us,
                job_id=context.job_id,
                **facts,
            )

    def _change_job(
        self,
        transaction: StoreTransaction,
        context: JobContext,
        state: JobState,
        now_us: int,
        *,
        attempts: int = 0,
        code: str | None = None,
        reason: str | None = None,
        next_us: int | None = None,
        fingerprint: str | None = None,
    ) -> None:
        transaction.run(
            "change_job", id=context.job_id, status=state, attempts=attempts, now_us=now_us, next_us=next_us,
            finished_us=now_us if state in FINAL else None, code=code, reason=reason, fingerprint=fingerprint,
        )  # fmt: skip

    def _change_export(
        self,
        transaction: StoreTransaction,
        context: JobContext,
        job: ExportJob,
        state: JobState,
        reason: str | None = None,
    ) -> None:
        if state is not JobState.DONE:
            transaction.run(
                "change_export_status", id=job.export_id, job_id=context.job_id, status=state, reason=reason
            )


def _word(outcome: Outcome) -> str:
    match outcome:
        case Done():
            return "done"
        case RetryAfter():
            return "retry"
        case Failed():
            return "failed"
        case Uncertain():
            return "unknown"
        case _:
            assert_never(outcome)


def _first_answer(job: dict[str, Any]) -> Enqueued:
    return Enqueued(
        job_id=job["id"],
        type=job["type"],
        reference=job["reference"],
        queue=job["queue"],
        priority=job["priority"],
        status="queued" if job["send_at_us"] is None else "scheduled",
        enqueued_at=to_datetime(job["created_us"]),
        scheduled_for=None if job["send_at_us"] is None else to_datetime(job["send_at_us"]),
        duplicate=True,
    )


def _repeated(first: Enqueued) -> Enqueued:
    return msgspec.structs.replace(first, duplicate=True)

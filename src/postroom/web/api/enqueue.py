"""`POST /api/enqueue-job` and `POST /api/enqueue-batch`: from a request's bytes to jobs on disk.

`Intake` is all there is to it. It is reached in two ways with the same answers: `app` calls it directly for the
bare paths, which is what makes them fast, and the Litestar handlers below do for every other spelling of
them (a slash at the end) and describe them in the OpenAPI document.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from litestar import Response, post

from postroom.accounts import Permission
from postroom.jobs import EmailJob, Enqueued, ExportJob, JobInvalid, Problem, SmsJob
from postroom.jobs.ledger import Entry
from postroom.jobs.models import Moment
from postroom.jobs.validation import ROOT, JobTooLarge
from postroom.kit.actor import Actor
from postroom.queues.limits import BATCH_COUNT_MAX
from postroom.web.auth import needs
from postroom.web.bodies import decode_body, is_json, malformed
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.services import WebServices

ENQUEUE_JOB: Final = "/api/enqueue-job"
ENQUEUE_BATCH: Final = "/api/enqueue-batch"
JOBS: Final = "/api/jobs/"
SEND_AT: Final = "sendAt"
"""A member that every job may have here: when to do it. It is the API's, not the job's."""

ACCEPTED: Final = 202
KNOWN_ALREADY: Final = 200


class Accepted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A job that is on disk. The answer to a repeated messageId or exportId is the first one, with `duplicate`."""

    job_id: str
    type: str
    reference: str | None
    """Its messageId or exportId, whichever it has."""
    message_id: str | None = None
    export_id: str | None = None
    queue: str
    priority: str
    status: str
    """`queued`, or `scheduled` for a later moment."""
    enqueued_at: datetime
    scheduled_for: datetime | None
    duplicate: bool = False


class AcceptedBatch(msgspec.Struct, frozen=True):
    """The answers to the jobs of a batch, in their order."""

    jobs: Sequence[Accepted]


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    jobs: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=BATCH_COUNT_MAX)]


class Answer(NamedTuple):
    """An answer: its status and what becomes its JSON."""

    status: int
    result: Accepted | AcceptedBatch

    @property
    def location(self) -> str | None:
        """Where to look for what became of it."""
        return JOBS + self.result.job_id if isinstance(self.result, Accepted) else None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_moment = msgspec.json.Decoder(Moment | None).decode
_batch = msgspec.json.Decoder(_Batch)
_encode = msgspec.json.Encoder().encode

Unwrapped: TypeAlias = tuple[bytes, datetime | None, list[Problem]]


class Intake:
    """Takes jobs in for a producer."""

    def __init__(self, services: WebServices) -> None:
        self._producer = services.producer

    async def job(self, body: bytes, actor: Actor | str) -> Answer:
        """Enqueue the job that the body holds. Raises JobInvalid, Refusal, and what `Queue.send` raises."""
        try:
            entry = self._entry(body)
        except JobInvalid:
            if is_json(body):
                raise
            raise malformed(body) from None
        (done,) = await self._producer.enqueue_prepared([entry], actor=actor)
        return Answer(KNOWN_ALREADY if done.duplicate else ACCEPTED, accepted(done, entry))

    async def batch(self, body: bytes, actor: Actor | str) -> Answer:
        """Enqueue the jobs of `{"jobs": [...]}`, all or none. Raises as `job` does, naming `jobs[i].field`."""
        try:
            entries = self._entries(decode_body(body, _batch).jobs)
        except JobInvalid:
            if is_json(body):
                raise
            raise malformed(body) from None
        done = await self._producer.enqueue_prepared(entries, actor=actor)
        status = KNOWN_ALREADY if all(one.duplicate for one in done) else ACCEPTED
        return Answer(status, AcceptedBatch([accepted(*pair) for pair in zip(done, entries, strict=True)]))

    def _entries(self, jobs: Sequence[msgspec.Raw]) -> list[Entry]:
        entries: list[Entry] = []
        failures: list[JobInvalid] = []
        problems: list[Problem] = []
        for index, raw in enumerate(jobs):
            try:
                entries.append(self._entry(bytes(raw)))
            except JobInvalid as error:
                failures.append(error)
                problems += [_within(index, problem) for problem in error.problems]
        if failures:
            too_large = all(isinstance(failure, JobTooLarge) for failure in failures)
            raise JobTooLarge(problems) if too_large else JobInvalid(problems)
        return entries

    def _entry(self, body: bytes) -> Entry:
        # Only a body that spells the name, or could by escapes, is worth opening.
        if b"sendAt" not in body and b"\\u" not in body:
            return self._producer.prepare(body)
        job, send_at, problems = _unwrap(body)
        try:
            entry = self._producer.prepare(job, send_at=send_at)
        except JobInvalid as error:
            if not problems:
                raise
            raise JobInvalid([*problems, *error.problems]) from None
        if problems:
            raise JobInvalid(problems)
        return entry


def accepted(done: Enqueued, entry: Entry) -> Accepted:
    """The answer for a job."""
    return Accepted(
        job_id=done.job_id,
        type=done.type,
        reference=done.reference,
        message_id=done.reference if isinstance(entry.job, EmailJob | SmsJob) else None,
        export_id=done.reference if isinstance(entry.job, ExportJob) else None,
        queue=done.queue,
        priority=done.priority,
        status=done.status,
        enqueued_at=done.enqueued_at,
        scheduled_for=done.scheduled_for,
        duplicate=done.duplicate,
    )


def _unwrap(body: bytes) -> Unwrapped:
    """The job without its `sendAt`, that moment, and what is wrong with it."""
    try:
        members = _members(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # Not an object: the job's own reader says why.
        return body, None, []
    given = members.pop(SEND_AT, None)
    if given is None:
        return body, None, []
    try:
        return _encode(members), _moment(given), []
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        reason = "must be a date and time with a zone (RFC 3339): 2026-01-31T08:00:00Z"
        return _encode(members), None, [Problem(SEND_AT, reason)]


def _within(index: int, problem: Problem) -> Problem:
    place = f"jobs[{index}]"
    return Problem(place if problem.field == ROOT else f"{place}.{problem.field}", problem.reason)


@post(
    ENQUEUE_JOB,
    guards=[needs(Permission.ENQUEUE)],
    status_code=ACCEPTED,
    operation_id="enqueueJob",
    tags=["enqueue"],
    summary="Enqueue a job",
)
async def enqueue_job(request: Asked, services: Services) -> Response[Accepted]:
    """Store one job of any registered type; when this answers, it is on disk.

    `sendAt` (RFC 3339, with a zone) asks for a later moment; a past one means at once. A messageId or exportId
    that is on its way or done is not enqueued again: status 200, the first answer, and `duplicate`.
    """
    answer = await Intake(services).job(await body_of(request), request.user.actor)
    assert isinstance(answer.result, Accepted)
    return Response(answer.result, status_code=answer.status, headers={"location": answer.location or ""})


@post(
    ENQUEUE_BATCH,
    guards=[needs(Permission.ENQUEUE)],
    status_code=ACCEPTED,
    operation_id="enqueueBatch",
    tags=["enqueue"],
    summary="Enqueue up to 100 jobs",
)
async def enqueue_batch(request: Asked, services: Services) -> Response[AcceptedBatch]:
    """Store 1 to 100 jobs in one transaction, all or none; each may have a `sendAt` of its own.

    Status 202, or 200 when all of them were known already.
    """
    answer = await Intake(services).batch(await body_of(request), request.user.actor)
    assert isinstance(answer.result, AcceptedBatch)
    return Response(answer.result, status_code=answer.status)

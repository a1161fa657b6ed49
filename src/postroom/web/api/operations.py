"""`/api/redrives`, `/api/failures`, `/api/workers` and `/api/jobs/search`: what operators do and look for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Response

from postroom.accounts import Permission
from postroom.audit import record
from postroom.jobs import JobState
from postroom.kit.clock import MICROSECOND, to_datetime, to_us
from postroom.operations import Action, Choice, JobSearch, Redrive
from postroom.queues import Filter
from postroom.web.api.jobs import JobView, view_of
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.paging import (
    BEGINNING,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    parameter_invalid,
    read_choice,
    read_cursor,
    read_limit,
)
from postroom.web.problems import CONFLICT, NOT_FOUND, REQUEST_INVALID, FieldProblem, Refusal
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_STATUS)]
LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]
IDS_MAX: Final = 1000
ALIVE_US: Final = 30 * MICROSECOND
Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[
    str | None, QueryParameter(description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.")
]


class RedriveWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which dead letters, and what becomes of them; every condition that is given must hold."""

    queue: str | None = None
    """The dead-letter queue; by default the configured one."""
    action: Action = Action.REDRIVE
    to: str | None = None
    """The queue they go to; by default each to the one it failed on."""
    failed_on: str | None = None
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """A part of their reason or its code, upper and lower case alike."""
    fingerprint: str | None = None
    """Of the failure of their jobs."""
    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=IDS_MAX)] | None = None
    dead_since: Aware | None = None
    dead_before: Aware | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=10_000)] | None = None
    """Messages a second, at most."""
    dry_run: bool = False
    """Only tell what would be done."""
    confirm: str | None = None
    """The dead-letter queue's name, typed: needed to discard."""


class RedriveView(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A redrive, as far as it has come."""

    redrive_id: str
    queue: str
    action: str
    to: str | None
    rate: float | None
    state: str
    expected: int
    matched: int
    moved: int
    unroutable: int
    problem: str | None
    by: str
    begun_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    progress: float | None
    """From 0 to 1; null where nothing was expected."""
    choice: dict[str, Any]


class PlannedView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What it would do."""

    dry_run: bool
    matched: int
    targets: dict[str, int]
    unroutable: int


class RedrivePage(msgspec.Struct, frozen=True):
    """Newest first."""

    redrives: Sequence[RedriveView]
    next: str | None


class RateChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another rate; null: as fast as the store goes."""

    rate: Annotated[float, msgspec.Meta(gt=0, le=10_000)] | None


class FailureView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Failures for good that are alike."""

    fingerprint: str
    type: str
    code: str | None
    reason: str | None
    failed_now: int
    count: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_version: str
    last_version: str
    hours: Sequence[int]
    """How many in each of the last 24 hours, the present one last."""


class FailurePage(msgspec.Struct, frozen=True):
    """Last seen first."""

    failures: Sequence[FailureView]
    next: str | None


class JobsFound(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Newest first."""

    jobs: Sequence[JobView]
    next: str | None
    looked_to: datetime | None
    """How far back was looked, where nothing more was found so far and there is more; go on with `next`."""


_wanted = msgspec.json.Decoder(RedriveWanted)
_rate = msgspec.json.Decoder(RateChange)


@post("/api/redrives", guards=MANAGES, operation_id="beginRedrive", tags=["queues"], summary="Bring dead letters back",
      status_code=202)  # fmt: skip
async def begin_redrive(request: Asked, services: Services) -> Response[RedriveView | PlannedView]:
    """In the background: look at it, slow it, stop it and resume it by its id. With `dryRun` only what it would do."""
    wanted = decode_body(await body_of(request) or b"{}", _wanted)
    if wanted.dry_run:
        return Response(await plan(wanted, services), status_code=200)
    return Response(view(await begin(wanted, request, services)), status_code=202)


@get("/api/redrives", guards=SEES, operation_id="listRedrives", tags=["queues"], summary="List redrives")
async def list_redrives(services: Services, before: Before = None, limit: Limit = None) -> RedrivePage:
    """Running and over, newest first."""
    found, more = await services.operating.redrives.page(read_cursor(before), read_limit(limit))
    return RedrivePage([view(one) for one in found], None if more is None else str(more))


@get(
    "/api/redrives/{redrive_id:str}",
    guards=SEES,
    operation_id="getRedrive",
    tags=["queues"],
    summary="One redrive",
)
async def get_redrive(redrive_id: FromPath[str], services: Services) -> RedriveView:
    """As far as it has come."""
    return view(await redrive_of(services, redrive_id))


@post("/api/redrives/{redrive_id:str}/stop", guards=MANAGES, operation_id="stopRedrive", tags=["queues"],
      summary="Stop a redrive", status_code=200)  # fmt: skip
async def stop_redrive(redrive_id: FromPath[str], request: Asked, services: Services) -> RedriveView:
    """After the page that it is at; what was moved stays moved."""
    await redrive_of(services, redrive_id)
    return await _moved(
        await services.operating.redrives.stop(redrive_id, request.user.actor), redrive_id, services
    )


@post("/api/redrives/{redrive_id:str}/resume", guards=MANAGES, operation_id="resumeRedrive", tags=["queues"],
      summary="Resume a redrive", status_code=200)  # fmt: skip
async def resume_redrive(redrive_id: FromPath[str], request: Asked, services: Services) -> RedriveView:
    """From where it was stopped, or failed."""
    await redrive_of(services, redrive_id)
    return await _moved(
        await services.operating.redrives.resume(redrive_id, request.user.actor), redrive_id, services
    )


@patch("/api/redrives/{redrive_id:str}", guards=MANAGES, operation_id="changeRedrive", tags=["queues"],
       summary="Change a redrive's rate")  # fmt: skip
async def change_redrive(redrive_id: FromPath[str], request: Asked, services: Services) -> RedriveView:
    """While it runs."""
    await redrive_of(services, redrive_id)
    rate = decode_body(await body_of(request), _rate).rate
    done = await services.operating.redrives.set_rate(redrive_id, rate, request.user.actor)
    return await _moved(done, redrive_id, services)


@get(
    "/api/failures",
    guards=LOOKS_UP,
    operation_id="listFailures",
    tags=["jobs"],
    summary="Failures by their kind",
)
async def list_failures(services: Services, before: Before = None, limit: Limit = None) -> FailurePage:
    """Jobs that failed for good, grouped by type, code and reason; last seen first."""
    found, more = await services.operating.failures.page(read_cursor(before), read_limit(limit))
    return FailurePage(
        [
            FailureView(
                first_seen_at=to_datetime(one.first_us), last_seen_at=to_datetime(one.last_us),
                **{name: getattr(one, name) for name in FailureView.__struct_fields__ if hasattr(one, name)},
            )
            for one in found
        ],
        None if more is None else str(more),
    )  # fmt: skip


@get("/api/jobs/search", guards=LOOKS_UP, operation_id="searchJobs", tags=["jobs"], summary="Search jobs")
async def search_jobs(
    services: Services,
    status: Annotated[str | None, QueryParameter(schema_extra={"enum": list(JobState)})] = None,
    job_type: Annotated[
        str | None, QueryParameter(name="type", description="Only jobs of this type.")
    ] = None,
    code: Annotated[str | None, QueryParameter(description="Exactly this code of the last failure.")] = None,
    text: Annotated[
        str | None, QueryParameter(description="A part of the reason of the last failure.")
    ] = None,
    fingerprint: Annotated[
        str | None, QueryParameter(description="Of the failure; see /api/failures.")
    ] = None,
    since: Annotated[str | None, QueryParameter(description="Made from this moment on (RFC 3339).")] = None,
    until: Annotated[str | None, QueryParameter(description="Made before this moment (RFC 3339).")] = None,
    before: Before = None,
    limit: Limit = None,
) -> JobsFound:
    """Newest first. A page looks at 20,000 jobs at most; where it ends early, `next` goes on from there."""
    wanted = JobSearch(
        status=read_choice("status", status, tuple(JobState)),
        type=read_choice("type", job_type, services.producer.registry.all_types),
        code=code, text=text, fingerprint=fingerprint, since_us=read_moment("since", since),
        until_us=read_moment("until", until),
    )  # fmt: skip
    page = await services.operating.jobs.search(
        wanted, read_cursor(before) if before else BEGINNING, read_limit(limit)
    )
    return JobsFound(
        jobs=[JobView(**view_of(row)) for row in page.rows], next=None if page.next is None else str(page.next),
        looked_to=moment(page.looked_to_us),
    )  # fmt: skip


@get(
    "/api/workers",
    guards=SEES,
    operation_id="listWorkers",
    tags=["monitoring"],
    summary="Workers that are alive",
)
async def list_workers(services: Services) -> dict[str, Any]:
    """Host, version, heartbeat, memory, leases lost, and the jobs in their hands."""
    return {"workers": await services.watching.workers()}


@post("/api/workers/{worker_id:str}/stop", guards=MANAGES, operation_id="stopWorker", tags=["monitoring"],
      summary="Ask a worker to stop", status_code=202)  # fmt: skip
async def stop_worker(worker_id: FromPath[str], request: Asked, services: Services) -> dict[str, str]:
    """It takes nothing new, finishes what it has in hand, gives back the rest and ends; within about five seconds."""
    await ask_to_stop(worker_id, request, services)
    return {"workerId": worker_id, "status": "asked"}


HANDLERS: Final = (
    begin_redrive, list_redrives, get_redrive, stop_redrive, resume_redrive, change_redrive, list_failures, search_jobs,
    list_workers, stop_worker,
)  # fmt: skip


async def plan(wanted: RedriveWanted, services: WebServices) -> PlannedView:
    """What it would do; raises Refusal."""
    queue, choice = _chosen(wanted, services)
    planned = await services.operating.redrives.plan(queue, wanted.action, choice, wanted.to)
    return PlannedView(
        dry_run=True, matched=planned.matched, targets=planned.targets, unroutable=planned.unroutable
    )


async def begin(wanted: RedriveWanted, request: Asked, services: WebServices) -> Redrive:
    """Begin one; raises Refusal."""
    queue, choice = _chosen(wanted, services)
    if wanted.action is Action.DISCARD and wanted.confirm != queue:
        reason = f"must be the queue's name, {queue}; what is discarded is gone for good"
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("confirm", reason)])
    return await services.operating.redrives.begin(
        queue, wanted.action, choice, request.user.actor, target=wanted.to, rate=wanted.rate
    )


async def redrive_of(services: WebServices, redrive_id: str) -> Redrive:
    """One; raises Refusal."""
    try:
        return await services.operating.redrives.get(redrive_id)
    except LookupError:
        raise Refusal(NOT_FOUND, "There is no redrive with that id.") from None


async def ask_to_stop(worker_id: str, request: Asked, services: WebServices) -> None:
    """Raises Refusal where no such worker is alive."""
    now_us, actor = services.clock.now_us(), request.user.actor

    def write(transaction: Any) -> bool:
        if not transaction.run(
            "ask_worker_to_stop", id=worker_id, actor=actor.name, since_us=now_us - ALIVE_US
        ):
            return False
        record(
            transaction, at_us=now_us, actor=actor, action="worker.asked_to_stop", object_type="worker",
            object_id=worker_id,
        )  # fmt: skip
        return True

    if not await services.store.write(write):
        raise Refusal(NOT_FOUND, "No worker with that id has been heard of within 30 s.")


def view(one: Redrive) -> RedriveView:
    """For the client."""
    choice = {
        name: value for name, value in msgspec.to_builtins(one.choice.matching).items() if value is not None
    }
    if one.choice.fingerprint is not None:
        choice["fingerprint"] = one.choice.fingerprint
    done = 1.0 if one.state == "done" else None
    return RedriveView(
        redrive_id=one.id, queue=one.queue, action=one.action, to=one.target, rate=one.rate, state=one.state,
        expected=one.expected, matched=one.matched, moved=one.moved, unroutable=one.unroutable, problem=one.problem,
        by=one.actor, begun_at=to_datetime(one.created_us), changed_at=to_datetime(one.changed_us),
        ended_at=moment(one.ended_us), choice=choice,
        progress=done or (min(1.0, one.matched / one.expected) if one.expected else None),
    )  # fmt: skip


def read_moment(name: str, given: str | None) -> int | None:
    """A moment that was given as a parameter; raises Refusal."""
    if not given:
        return None
    try:
        return to_us(msgspec.convert(given, Aware))
    except (msgspec.ValidationError, ValueError):
        raise parameter_invalid(name, "must be a date and time with an offset (RFC 3339)") from None


def _chosen(wanted: RedriveWanted, services: WebServices) -> tuple[str, Choice]:
    queue = wanted.queue or services.dead_letter_queue
    if queue is None:
        raise Refusal(
            REQUEST_INVALID,
            errors=[FieldProblem("queue", "must be given: no dead_letter_queue is configured")],
        )
    matching = Filter(
        ids=None if wanted.ids is None else frozenset(wanted.ids), queue=wanted.failed_on, reason=wanted.reason,
        dead_since=wanted.dead_since, dead_before=wanted.dead_before,
    )  # fmt: skip
    return queue, Choice(matching=matching, fingerprint=wanted.fingerprint)


async def _moved(done: bool, redrive_id: str, services: WebServices) -> RedriveView:
    one = await redrive_of(services, redrive_id)
    if not done:
        raise Refusal(CONFLICT, f"The redrive is {one.state}.")
    return view(one)

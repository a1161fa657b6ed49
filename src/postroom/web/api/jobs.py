"""`GET /api/jobs` and `/api/jobs/{id}`: what became of jobs, without their recipients and contents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.jobs import JobState
from postroom.kit.clock import isoformat, to_datetime
from postroom.operations import JobSearch
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.dependencies import Services
from postroom.web.moments import moment
from postroom.web.paging import LIMIT_DEFAULT, LIMIT_MAX, read_choice, read_cursor, read_limit
from postroom.web.problems import NOT_FOUND, Refusal

STATES = tuple(JobState)


LOOKS_UP: Final = [needs(Permission.LOOK_UP)]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One try."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    """`done`, `retry`, `failed`, `unknown` when its worker died; null while it goes on."""
    provider: str | None
    code: str | None
    reason: str | None
    worker: str | None
    """Host and process that made it."""


class JobView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A job's record."""

    job_id: str
    type: str
    queue: str
    reference: str | None
    """Its messageId or exportId."""
    priority: str
    status: str
    attempts: int
    max_attempts: int
    enqueued_at: datetime
    updated_at: datetime
    scheduled_for: datetime | None
    next_attempt_at: datetime | None
    finished_at: datetime | None
    code: str | None
    reason: str | None
    """Of the last failure."""


class JobHistory(JobView, frozen=True, kw_only=True, rename="camel"):
    """A job's record with its attempts."""

    history: Sequence[Attempt]
    trace_id: str | None
    """Of the trace that enqueued it."""
    fingerprint: str | None
    """Of its failure, while it is failed; see /api/failures."""


class JobPage(msgspec.Struct, frozen=True):
    """Some jobs, newest first."""

    jobs: Sequence[JobView]
    next: str | None
    """The `before` of the next page; null on the last."""


@get("/api/jobs", guards=LOOKS_UP, operation_id="listJobs", tags=["jobs"], summary="List jobs, newest first")
async def list_jobs(
    services: Services,
    status: Annotated[
        str | None,
        QueryParameter(description="Only jobs in this state.", schema_extra={"enum": list(STATES)}),
    ] = None,
    job_type: Annotated[
        str | None, QueryParameter(name="type", description="Only jobs of this type.")
    ] = None,
    before: Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")] = None,
    limit: Annotated[
        str | None,
        QueryParameter(
            description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.",
            schema_extra={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        ),
    ] = None,
) -> JobPage:
    """Look through jobs page by page; one looks at 20,000 at most, so it may be short and have a next all the same."""
    count = read_limit(limit)
    wanted = JobSearch(
        status=read_choice("status", status, STATES),
        type=read_choice("type", job_type, services.producer.registry.all_types),
    )
    page = await services.operating.jobs.search(wanted, read_cursor(before), count)
    return JobPage(
        [JobView(**view_of(row)) for row in page.rows], None if page.next is None else str(page.next)
    )


@get(
    "/api/jobs/{job_id:str}",
    guards=LOOKS_UP,
    operation_id="getJob",
    tags=["jobs"],
    summary="One job and its attempts",
)
async def get_job(job_id: FromPath[str], services: Services) -> JobHistory:
    """The job's record and the history of its attempts."""

    def look(transaction: StoreTransaction) -> JobHistory | None:
        row = transaction.one("find_job", id=job_id)
        if row is None:
            return None
        attempts = transaction.all("list_attempts", job_id=job_id)
        return JobHistory(
            **view_of(row), history=[_attempt(attempt) for attempt in attempts],
            trace_id=row["trace_id"], fingerprint=row["fingerprint"],
        )  # fmt: skip

    found = await services.store.read(look)
    if found is None:
        raise Refusal(NOT_FOUND, "There is no job with that id.")
    return found


def view_of(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a JobView."""
    return {
        "job_id": row["id"],
        "type": row["type"],
        "queue": row["queue"],
        "reference": row["reference"],
        "priority": row["priority"],
        "status": row["status"],
        "attempts": row["attempts"],
        "max_attempts": row["max_attempts"],
        "enqueued_at": to_datetime(row["created_us"]),
        "updated_at": to_datetime(row["updated_us"]),
        "scheduled_for": moment(row["send_at_us"]),
        "next_attempt_at": moment(row["next_us"]),
        "finished_at": moment(row["finished_us"]),
        "code": row["code"],
        "reason": row["reason"],
    }


def _attempt(row: dict[str, Any]) -> Attempt:
    return Attempt(
        number=row["number"],
        started_at=to_datetime(row["started_us"]),
        finished_at=moment(row["finished_us"]),
        outcome=row["outcome"],
        provider=row["provider"],
        code=row["code"],
        reason=row["reason"],
        worker=row["worker"],
    )


@get(
    "/api/jobs/{job_id:str}/timeline", guards=LOOKS_UP, operation_id="jobTimeline", tags=["jobs"],
    summary="All that happened to a job",
)  # fmt: skip
async def job_timeline(job_id: FromPath[str], services: Services) -> dict[str, Any]:
    """Attempts, calls to providers, their answers and reports, and who acted; oldest first."""
    entries = await services.operating.timelines.of(job_id)
    if not entries:
        raise Refusal(NOT_FOUND, "There is no job with that id.")
    return {"jobId": job_id, "entries": [{"at": isoformat(one["atUs"]), **one} for one in entries]}

"""Jobs: searching them, and one with all that happened to it and why it does not move."""

from datetime import datetime, timedelta
from typing import Any, Final, cast

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.jobs import JobState
from postroom.kit.clock import MICROSECOND, to_us
from postroom.operations import Action, JobSearch
from postroom.web.api.operations import RedriveWanted, begin
from postroom.web.asgi import Scope
from postroom.web.auth import needs
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dashboard.rendering import cookies_of, page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING, parameter_invalid, read_choice, read_cursor
from postroom.web.problems import CONFLICT, NOT_FOUND, Refusal
from postroom.web.services import WebServices

LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
LIMIT: Final = 50
AGES: Final = (("", "any time"), ("3600", "last hour"), ("86400", "last 24 h"), ("604800", "last 7 days"))
FILTERS: Final = ("status", "type", "code", "text", "fingerprint", "age", "since", "until")
TEXT_MAX: Final = 200


@get("/app/jobs", include_in_schema=False, guards=LOOKS_UP)
async def jobs_page(request: Asked, services: Services) -> Template | Redirect:
    """By id at once; else by state, type, error and age, page by page."""
    given = {name: request.query_params.get(name, "").strip()[:TEXT_MAX] or None for name in (*FILTERS, "id")}
    wanted_id = given.pop("id")
    if wanted_id is not None:
        job = await services.operating.jobs.find(wanted_id)
        if job is not None:
            return see_other(services, f"/app/jobs/{job['id']}")
    before = request.query_params.get("before")
    found = await services.operating.jobs.search(
        _wanted(given, request, services), read_cursor(before) if before else BEGINNING, LIMIT
    )
    return page(
        request, services, "jobs.html", found=found, filters=given, first=before is None, unknown=wanted_id,
        types=services.producer.registry.all_types, states=tuple(JobState), ages=AGES,
        dead_letter_queue=services.dead_letter_queue,
    )  # fmt: skip


@get("/app/jobs/{job_id:str}", include_in_schema=False, guards=LOOKS_UP)
async def job_page(job_id: FromPath[str], request: Asked, services: Services) -> Template:
    """One, with its timeline."""
    job = await services.operating.jobs.find(job_id)
    if job is None:
        raise Refusal(NOT_FOUND, "There is no job, message or export with that id.")
    timeline = with_gaps(await services.operating.timelines.of(job["id"]))
    why = await services.watching.why(job["id"])
    workers = await services.watching.workers()
    holders = [{**one, "job": work} for one in workers for work in one["work"] if work["jobId"] == job["id"]]
    return page(
        request, services, "job.html", job=job, why=msgspec.to_builtins(why) if why is not None else None,
        timeline=timeline, holders=holders,
        dead_letter_queue=services.dead_letter_queue, message=job["type"] in ("email_send", "sms_send", "message_send"),
    )  # fmt: skip


@post("/app/jobs/{job_id:str}/redrive", include_in_schema=False, guards=[needs(Permission.MANAGE_QUEUES)])
async def redrive_job(job_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Bring this one back to the queue it failed on."""
    job = await services.operating.jobs.find(job_id)
    if job is None:
        raise Refusal(NOT_FOUND)
    if job["status"] not in (JobState.FAILED, JobState.UNCERTAIN):
        raise Refusal(CONFLICT, f"The job is {job['status']}; only failed and uncertain ones are redriven.")
    one = await begin(RedriveWanted(action=Action.REDRIVE, ids=[job["id"]]), request, services)
    return see_other(services, f"/app/redrives/{one.id}", "good", "The redrive has begun.")


HANDLERS: Final = (jobs_page, job_page, redrive_job)


def with_gaps(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each entry with the seconds since the one before it."""
    before = [entries[0]["atUs"], *(one["atUs"] for one in entries)] if entries else []
    return [
        {**one, "gap": (one["atUs"] - at) / MICROSECOND} for one, at in zip(entries, before, strict=False)
    ]


def _wanted(given: dict[str, str | None], request: Asked, services: WebServices) -> JobSearch:
    age = read_choice("age", given["age"], [key for key, _ in AGES])
    since_us = None if not age else services.clock.now_us() - int(age) * MICROSECOND
    return JobSearch(
        status=read_choice("status", given["status"], tuple(JobState)),
        type=read_choice("type", given["type"], services.producer.registry.all_types),
        code=given["code"], text=given["text"], fingerprint=given["fingerprint"],
        since_us=day_of("since", given["since"], request) or since_us,
        until_us=day_of("until", given["until"], request, days=1),
    )  # fmt: skip


def day_of(name: str, given: str | None, request: Asked, *, days: int = 0) -> int | None:
    """The beginning of a day in the reader's zone, or of the one so many days later."""
    if given is None:
        return None
    zone: Any = preferences_of(cookies_of(cast(Scope, request.scope))).zone_info
    try:
        return to_us(datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=zone) + timedelta(days=days))
    except ValueError:
        raise parameter_invalid(name, "must be a date: YYYY-MM-DD") from None

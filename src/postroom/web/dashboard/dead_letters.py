"""Dead letters by what they have in common, and bringing them back: counted first, then as something that runs."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.operations import Action, JobSearch, Redrive
from postroom.queues import ConfigurationError
from postroom.web.api.operations import PlannedView, RedriveWanted, begin, plan, redrive_of, view
from postroom.web.auth import needs
from postroom.web.dashboard.forms import CONFIRM, Form, form_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING, read_cursor
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_STATUS)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]
LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
GROUPS: Final = 20
JOBS: Final = 50
RUNS: Final = 10


@get("/app/dead-letters", include_in_schema=False, guards=SEES)
async def dead_letters_page(request: Asked, services: Services) -> Template:
    """Groups, and what is or was redriven."""
    before = request.query_params.get("before")
    looks_up = Permission.LOOK_UP in request.user.permissions
    cursor = read_cursor(before) if before else BEGINNING
    groups, more = await services.operating.failures.page(cursor, GROUPS) if looks_up else ([], None)
    runs, _ = await services.operating.redrives.page(BEGINNING, RUNS)
    queue = services.dead_letter_queue
    return page(
        request, services, "dead_letters.html", groups=groups, more=more, first=before is None, looks_up=looks_up,
        runs=[view(one) for one in runs], queue=queue,
        waiting=(await services.queues.info(queue)).backlog.messages if queue is not None else 0,
    )  # fmt: skip


@get("/app/dead-letters/{fingerprint:str}", include_in_schema=False, guards=LOOKS_UP)
async def group_page(fingerprint: FromPath[str], request: Asked, services: Services) -> Template:
    """One group with its jobs."""
    group = await services.operating.failures.get(fingerprint)
    if group is None:
        raise Refusal(NOT_FOUND, "No failure has that fingerprint.")
    before = request.query_params.get("before")
    cursor = read_cursor(before) if before else BEGINNING
    found = await services.operating.jobs.search(JobSearch(fingerprint=fingerprint), cursor, JOBS)
    return page(
        request, services, "failure.html", group=group, found=found, first=before is None,
        queue=services.dead_letter_queue,
    )  # fmt: skip


@get("/app/redrives/new", include_in_schema=False, guards=MANAGES)
async def redrive_form(request: Asked, services: Services) -> Template:
    """Which, whither, how fast; counted before anything moves."""
    given = {
        name: request.query_params.get(name)
        for name in ("queue", "fingerprint", "reason", "failed_on", "to", "action")
    }
    return await _form_page(request, services, {name: value for name, value in given.items() if value})


@post("/app/redrives/new", include_in_schema=False, guards=MANAGES, status_code=200)
async def redrive_begin(request: Asked, services: Services) -> Template | Redirect:
    """Count, or begin."""
    form = form_of(request)
    given = form.under("")
    try:
        wanted = _wanted(form)
        if form.raw("act") != "begin":
            return await _form_page(request, services, given, planned=await plan(wanted, services))
        if wanted.action is Action.DISCARD:
            wanted = msgspec.structs.replace(wanted, confirm=form.text(CONFIRM))
        one = await begin(wanted, request, services)
    except ConfigurationError as error:
        return await _form_page(request, services, given, {str(error.key): f"must be {error.allowed}"})
    except Refusal as refusal:
        if not refusal.errors:
            raise
        return await _form_page(request, services, given, {one.field: one.reason for one in refusal.errors})
    return see_other(services, f"/app/redrives/{one.id}", "good", f"Begun: {one.expected:,} match.")


@get("/app/redrives/{redrive_id:str}", include_in_schema=False, guards=SEES)
async def redrive_page(redrive_id: FromPath[str], request: Asked, services: Services) -> Template:
    """One, as far as it has come."""
    one = await redrive_of(services, redrive_id)
    return page(request, services, "redrive.html", one=view(one), left_seconds=_left(one))


@post("/app/redrives/{redrive_id:str}/{act:str}", include_in_schema=False, guards=MANAGES)
async def redrive_act(
    redrive_id: FromPath[str], act: FromPath[str], request: Asked, services: Services
) -> Redirect:
    """Stop, resume, or change its rate."""
    one, desk, actor = await redrive_of(services, redrive_id), services.operating.redrives, request.user.actor
    match act:
        case "stop":
            done, said = await desk.stop(one.id, actor), "It stops after the page that it is at."
        case "resume":
            done, said = await desk.resume(one.id, actor), "It goes on where it was."
        case "rate":
            rate = form_of(request).whole("rate")
            done, said = (
                await desk.set_rate(one.id, rate or None, actor),
                "The rate holds from the next page on.",
            )
        case _:
            raise Refusal(NOT_FOUND)
    return see_other(
        services,
        f"/app/redrives/{one.id}",
        "good" if done else "bad",
        said if done else f"It is {one.state}.",
    )


HANDLERS: Final = (dead_letters_page, group_page, redrive_form, redrive_begin, redrive_page, redrive_act)


async def _form_page(
    request: Asked, services: WebServices, given: dict[str, str], errors: dict[str, str] | None = None,
    *, planned: PlannedView | None = None,
) -> Template:  # fmt: skip
    return page(
        request, services, "redrive_new.html", given=given, errors=errors or {}, planned=planned,
        status=422 if errors else 200, queues=await services.queues.names(),
        queue=given.get("queue") or services.dead_letter_queue or "",
    )  # fmt: skip


def _wanted(form: Form) -> RedriveWanted:
    fields: dict[str, Any] = {
        "queue": form.text("queue"), "to": form.text("to"), "failed_on": form.text("failed_on"),
        "reason": form.text("reason"), "fingerprint": form.text("fingerprint"),
    }  # fmt: skip
    rate = form.text("rate")
    if rate is not None:
        fields["rate"] = form.whole("rate") or -1.0
    action = Action.DISCARD if form.raw("action") == Action.DISCARD else Action.REDRIVE
    return RedriveWanted(action=action, **fields)


def _left(one: Redrive) -> float | None:
    """Seconds that are left at its rate."""
    if one.state != "running" or one.rate is None:
        return None
    return max(0, one.expected - one.matched) / one.rate

"""Schedules: what is enqueued when, the next five runs, and running or pausing one by hand."""

from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.kit.clock import to_us
from postroom.web.api import schedules as api
from postroom.web.asgi import Scope
from postroom.web.auth import needs
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dashboard.rendering import cookies_of, page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.problems import NOT_FOUND, Refusal


@get("/app/schedules", include_in_schema=False, guards=[needs(Permission.SEE_STATUS)])
async def schedules_page(request: Asked, services: Services) -> Template:
    """All of them."""
    zone = preferences_of(cookies_of(cast(Scope, request.scope))).zone_info
    found = [{**one, "upcoming_us": _moments(one, zone)} for one in await services.schedules.read()]
    return page(request, services, "schedules.html", schedules=found)


@post(
    "/app/schedules/{name:str}/{act:str}", include_in_schema=False, guards=[needs(Permission.MANAGE_QUEUES)]
)
async def act_on(name: FromPath[str], act: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Run it now, pause or resume it."""
    match act:
        case "run":
            fired = await api.run_schedule.fn(name, request, services)
            said = f"Enqueued: {', '.join(fired.jobs)}."
        case "pause":
            await api.pause_schedule.fn(name, request, services)
            said = f"{name} is paused; runs in between are not made up for."
        case "resume":
            await api.resume_schedule.fn(name, request, services)
            said = f"{name} runs again from its next moment on."
        case _:
            raise Refusal(NOT_FOUND)
    return see_other(services, "/app/schedules", "good", said)


HANDLERS: Final = (schedules_page, act_on)


def _moments(one: dict[str, Any], here: ZoneInfo) -> list[dict[str, Any]]:
    """The next runs in the schedule's zone and in the reader's; where the clocks change in between, the offset tells."""
    there, found = ZoneInfo(one["zone"]), []
    for text in one["upcoming"]:
        moment = datetime.fromisoformat(text)
        found.append(
            {
                "us": to_us(moment), "there": moment.astimezone(there).strftime("%a %-d %b, %H:%M %Z"),
                "here": moment.astimezone(here).strftime("%a %-d %b, %H:%M %Z"),
            }
        )  # fmt: skip
    return found

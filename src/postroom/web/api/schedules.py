"""`/api/schedules`: what is enqueued when, and running or pausing it by hand."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath

from postroom.accounts import Permission
from postroom.web.auth import needs
from postroom.web.dependencies import Asked, Services
from postroom.web.problems import CONFLICT, NOT_FOUND, Refusal
from postroom.web.services import ScheduleDesk

SEES: Final = [needs(Permission.SEE_STATUS)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]


class Schedules(msgspec.Struct, frozen=True):
    """All of them, by name."""

    schedules: Sequence[dict[str, Any]]


class Fired(msgspec.Struct, frozen=True):
    """What was enqueued."""

    jobs: Sequence[str]


@get(
    "/api/schedules", guards=SEES, operation_id="listSchedules", tags=["schedules"], summary="List schedules"
)
async def list_schedules(services: Services) -> Schedules:
    """With the next five runs and the last one."""
    return Schedules(await services.schedules.read())


@post(
    "/api/schedules/{name:str}/run", guards=MANAGES, operation_id="runSchedule", tags=["schedules"],
    summary="Run a schedule now", status_code=202,
)  # fmt: skip
async def run_schedule(name: FromPath[str], request: Asked, services: Services) -> Fired:
    """Its jobs are enqueued out of turn; its next run stays."""
    _check(services.schedules, name)
    return Fired(await services.schedules.run(name, request.user.actor))


@post(
    "/api/schedules/{name:str}/pause", guards=MANAGES, operation_id="pauseSchedule", tags=["schedules"],
    summary="Pause a schedule", status_code=200,
)  # fmt: skip
async def pause_schedule(name: FromPath[str], request: Asked, services: Services) -> Schedules:
    """Runs in between are not made up for."""
    return await _pause(services.schedules, name, request, paused=True)


@post(
    "/api/schedules/{name:str}/resume", guards=MANAGES, operation_id="resumeSchedule", tags=["schedules"],
    summary="Resume a schedule", status_code=200,
)  # fmt: skip
async def resume_schedule(name: FromPath[str], request: Asked, services: Services) -> Schedules:
    """From its next moment on."""
    return await _pause(services.schedules, name, request, paused=False)


HANDLERS: Final = (list_schedules, run_schedule, pause_schedule, resume_schedule)


async def _pause(desk: ScheduleDesk, name: str, request: Asked, *, paused: bool) -> Schedules:
    _check(desk, name)
    if not await desk.pause(name, request.user.actor, paused=paused):
        raise Refusal(CONFLICT, f"The schedule is {'paused' if paused else 'not paused'} already.")
    return Schedules([one for one in await desk.read() if one["name"] == name])


def _check(desk: ScheduleDesk, name: str) -> None:
    if name not in desk.names:
        raise Refusal(NOT_FOUND, "There is no schedule with that name.")

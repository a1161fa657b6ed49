"""Queues: all of them, and one with its curves, settings, consumers, and what can be done to it."""

from typing import Any, Final, cast

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream, Template

from postroom.accounts import Permission
from postroom.kit.clock import MICROSECOND
from postroom.operations import HoldKind
from postroom.queues import ConfigurationError
from postroom.web.api import queues as api
from postroom.web.asgi import Scope
from postroom.web.auth import needs
from postroom.web.dashboard import curves, pushing
from postroom.web.dashboard.forms import CONFIRM, form_of
from postroom.web.dashboard.overview import CURVES_SECONDS, window_of
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dashboard.rendering import cookies_of, page, part, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_STATUS)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]
ENDS: Final = ("", "600", "3600", "14400", "86400")
PEEKED: Final = 10
SETTINGS: Final = ("delivery_delay", "message_retention_period", "deduplication_window")
PARTS: Final = "ops.html"


@get("/app/queues", include_in_schema=False, guards=SEES)
async def queues_page(request: Asked, services: Services) -> Template:
    """All of them, each with a sentence."""
    found = await services.watching.series("1h")
    sparks = {name: own["backlog"] for name, own in found["queues"].items()}
    return page(request, services, "queues.html", standing=await services.watching.standing(), sparks=sparks)


@get("/app/queues/{name:str}", include_in_schema=False, guards=SEES)
async def queue_page(name: FromPath[str], request: Asked, services: Services) -> Template:
    """One."""
    return await _queue_page(name, request, services)


@get("/app/queues/{name:str}/live", include_in_schema=False, guards=SEES)
async def queue_live(name: FromPath[str], request: Asked, services: Services) -> Stream:
    """The parts of it that change."""
    await api.known(services, name)
    window, scope = window_of(request), cast(Scope, request.scope)

    async def standing() -> str:
        return part(PARTS, "standing", services.clock, scope, await _standing(name, services))

    async def charts() -> str:
        return part(PARTS, "curves", services.clock, scope, await _drawn(name, window, request, services))

    return pushing.stream(
        services.clock,
        [pushing.Part("standing", 1.0, standing), pushing.Part("curves", CURVES_SECONDS, charts)],
    )


@get("/app/queues/{name:str}/peek", include_in_schema=False, guards=SEES)
async def peek_page(name: FromPath[str], request: Asked, services: Services) -> Template:
    """What comes next, untouched; bodies by a form of its own, because to read them is on record."""
    found = await api.look_into(name, PEEKED, request, services)
    return page(request, services, "peek.html", name=name, messages=found, revealed=False)


@post("/app/queues/{name:str}/peek", include_in_schema=False, guards=SEES, status_code=200)
async def reveal_page(name: FromPath[str], request: Asked, services: Services) -> Template:
    """The same with the bodies: needs the permission, and is in the audit trail."""
    found = await api.look_into(name, PEEKED, request, services, reveal=True)
    return page(request, services, "peek.html", name=name, messages=found, revealed=True)


@post("/app/queues/{name:str}/pause", include_in_schema=False, guards=MANAGES)
async def pause(name: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Deliver nothing."""
    await _hold(name, HoldKind.PAUSE, request, services)
    return see_other(
        services, f"/app/queues/{name}", "good", f"Delivery of {name} is paused. Sending goes on."
    )


@post("/app/queues/{name:str}/drain", include_in_schema=False, guards=MANAGES)
async def drain(name: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Take nothing new."""
    await _hold(name, HoldKind.DRAIN, request, services)
    return see_other(services, f"/app/queues/{name}", "good", f"{name} takes nothing new. Delivery goes on.")


@post("/app/queues/{name:str}/resume", include_in_schema=False, guards=MANAGES)
async def resume(name: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Deliver and take again."""
    await services.operating.holds.resume(await api.known(services, name), request.user.actor)
    services.watching.look_anew()
    return see_other(services, f"/app/queues/{name}", "good", f"{name} delivers and takes again.")


@post("/app/queues/{name:str}/purge", include_in_schema=False, guards=MANAGES)
async def purge(name: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Delete what waits, once the name was typed."""
    typed = form_of(request).text(CONFIRM) or ""
    if typed != name:
        return see_other(
            services, f"/app/queues/{name}", "bad", f"Nothing was deleted: type {name} to confirm."
        )
    done = await api.purge(name, typed, request, services)
    return see_other(services, f"/app/queues/{name}", "good", f"{done.purged:,} messages were deleted.")


@post("/app/queues/{name:str}/settings", include_in_schema=False, guards=MANAGES, status_code=200)
async def change(name: FromPath[str], request: Asked, services: Services) -> Redirect | Template:
    """Settings of the queue itself."""
    form = form_of(request)
    given = {key: form.whole(key) for key in SETTINGS}
    errors = {key: "must be a whole number of seconds" for key, value in given.items() if value is None}
    if not errors:
        try:
            await api.configure(name, {key: value or 0 for key, value in given.items()}, request, services)
            return see_other(
                services, f"/app/queues/{name}", "good", "The settings hold from now on, in every process."
            )
        except ConfigurationError as error:
            errors = {str(error.key): f"must be {error.allowed}"}
    return await _queue_page(name, request, services, status=422, errors=errors, given=dict(form.under("")))


HANDLERS: Final = (
    queues_page, queue_page, queue_live, peek_page, reveal_page, pause, drain, resume, purge, change,
)  # fmt: skip


async def _queue_page(
    name: str, request: Asked, services: WebServices, *, status: int = 200, errors: dict[str, str] | None = None,
    given: dict[str, str] | None = None,
) -> Template:  # fmt: skip
    await api.known(services, name)
    window = window_of(request)
    info = await services.queues.info(name)
    workers = [one for one in await services.watching.workers() if name in one["queues"]]
    consumer = services.queues.config.consumers.get(name)
    return page(
        request, services, "queue.html", status=status, name=name, one=await _standing(name, services), info=info,
        consumer=consumer, workers=workers, window=window, windows=curves.WINDOWS,
        drawn=await _drawn(name, window, request, services), errors=errors or {}, given=given or {},
        dead_letters=name == services.dead_letter_queue,
    )  # fmt: skip


async def _standing(name: str, services: WebServices) -> dict[str, Any]:
    found: list[dict[str, Any]] = (await services.watching.standing())["queues"]
    for one in found:
        if one["name"] == name:
            return one
    raise Refusal(NOT_FOUND, "There is no queue of that name.")


async def _drawn(name: str, window: str, request: Asked, services: WebServices) -> list[Any]:
    zone = preferences_of(cookies_of(cast(Scope, request.scope))).zone_info
    found = await services.watching.series(window)
    return list(curves.drawn(found, name, zone, lambda: curves.of_queue(found, name, zone)))


async def _hold(name: str, kind: HoldKind, request: Asked, services: WebServices) -> None:
    form = form_of(request)
    seconds, reason = form.whole("for"), form.text("reason")
    until_us = services.clock.now_us() + seconds * MICROSECOND if seconds and str(seconds) in ENDS else None
    await services.operating.holds.hold(
        await api.known(services, name), kind, request.user.actor, until_us=until_us,
        reason=reason[: api.REASON_MAX] if reason else None,
    )  # fmt: skip
    services.watching.look_anew()

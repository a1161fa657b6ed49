"""The overview: how each queue stands in a sentence, curves, what failed last, incidents; all of it live."""

from typing import Any, Final, cast

from litestar import get
from litestar.response import Stream, Template

from postroom.accounts import Permission
from postroom.web.asgi import Scope
from postroom.web.auth import needs
from postroom.web.dashboard import curves, pushing
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dashboard.rendering import cookies_of, page, part
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import read_choice
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_STATUS)]
WINDOWS: Final = tuple(name for name, _ in curves.WINDOWS)
CURVES_SECONDS: Final = 10.0
GROUPS: Final = 5
PARTS: Final = "ops.html"


@get("/app/overview", include_in_schema=False, guards=SEES)
async def overview(request: Asked, services: Services) -> Template:
    """Everything at a glance."""
    window = window_of(request)
    standing = await services.watching.standing()
    failures, _ = await services.operating.failures.page(1 << 62, GROUPS)
    looks_up = Permission.LOOK_UP in request.user.permissions
    return page(
        request, services, "overview.html", standing=standing, window=window, windows=curves.WINDOWS,
        drawn=await _drawn(request, services, window), failures=failures if looks_up else [],
        incidents=[one for one in await services.watching.incidents() if one["closedAt"] is None],
    )  # fmt: skip


@get("/app/overview/live", include_in_schema=False, guards=SEES)
async def overview_live(request: Asked, services: Services) -> Stream:
    """The parts of it that change."""
    window, scope = window_of(request), cast(Scope, request.scope)

    zone = preferences_of(cookies_of(scope)).zone

    async def queues() -> str:
        found = await services.watching.standing()
        return pushing.shared(
            f"queues {zone}", (found["atUs"],), lambda: part(PARTS, "queues", services.clock, scope, found)
        )

    async def charts() -> str:
        drawn = await _drawn(request, services, window)
        return pushing.shared(
            f"curves {zone} {window}", tuple(drawn), lambda: part(PARTS, "curves", services.clock, scope, drawn)
        )

    return pushing.stream(
        services.clock, [pushing.Part("queues", 1.0, queues), pushing.Part("curves", CURVES_SECONDS, charts)]
    )


HANDLERS: Final = (overview, overview_live)


def window_of(request: Asked) -> str:
    """The window that the URL asks for; raises Refusal."""
    return read_choice("window", request.query_params.get("window"), WINDOWS) or "15m"


async def _drawn(request: Asked, services: WebServices, window: str) -> list[Any]:
    zone = preferences_of(cookies_of(cast(Scope, request.scope))).zone_info
    found = await services.watching.series(window)
    working = [name for name in await services.queues.names() if name != services.dead_letter_queue]
    return curves.drawn(found, "*", zone, lambda: curves.of_all(found, working, services.queue, zone))

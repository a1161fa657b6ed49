"""Storage and clock health, and alerts: incidents, rules, silence, a test."""

from typing import Any, Final

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.kit.clock import MICROSECOND
from postroom.web.api.alerts import change_rule, rules_of
from postroom.web.auth import needs
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services

SEES: Final = [needs(Permission.SEE_STATUS)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]
THRESHOLD_MAX: Final = 1e15
SILENCES: Final = ("", "3600", "14400", "86400")


@get("/app/storage", include_in_schema=False, guards=SEES)
async def storage_page(request: Asked, services: Services) -> Template:
    """The file, its log, the room that is left, the clock; and every check in a sentence."""
    health = await services.watching.health()
    return page(request, services, "storage.html", health=health, storage=await services.watching.storage())


@get("/app/alerts", include_in_schema=False, guards=SEES)
async def alerts_page(request: Asked, services: Services) -> Template:
    """What stands, what is over, and the rules."""
    incidents: list[dict[str, Any]] = await services.watching.incidents()
    return page(
        request, services, "alerts.html", rules=await rules_of(services),
        standing=[one for one in incidents if one["closedAt"] is None],
        over=[one for one in incidents if one["closedAt"] is not None],
    )  # fmt: skip


@post("/app/alerts/test", include_in_schema=False, guards=MANAGES)
async def try_alerts(request: Asked, services: Services) -> Redirect:
    """A notice that says it is only a test."""
    count = await services.operating.alerts.test(request.user.actor)
    if not count:
        said = "Subscriptions to alerts are told. No address is configured (POSTROOM_ALERT_TO), so nobody is mailed."
        return see_other(services, "/app/alerts", "note", said)
    where = "1 address" if count == 1 else f"{count} addresses"
    return see_other(services, "/app/alerts", "good", f"A test is on its way to {where}.")


@post("/app/alerts/{rule:str}", include_in_schema=False, guards=MANAGES)
async def set_rule(rule: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Another threshold, or silence for a while."""
    form = form_of(request)
    text, seconds = form.text("threshold"), form.whole("silence")
    try:
        threshold = None if text is None else float(text)
    except ValueError:
        threshold = -1.0
    if threshold is not None and not 0 <= threshold < THRESHOLD_MAX:
        said = f"The threshold of {rule} must be a number, 0 or more; it was left as it is."
        return see_other(services, "/app/alerts", "bad", said)
    silent = str(seconds) in SILENCES and seconds
    until_us = services.clock.now_us() + seconds * MICROSECOND if silent and seconds else None
    await change_rule(rule, threshold, until_us, request, services)
    return see_other(
        services, "/app/alerts", "good", f"{rule} is set; it holds from the next look on, in half a minute."
    )


HANDLERS: Final = (storage_page, alerts_page, try_alerts, set_rule)

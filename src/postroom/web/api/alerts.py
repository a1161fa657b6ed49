"""`/api/alerts`: the rules as they stand, setting and silencing them, and a test."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post, put
from litestar.params import FromPath

from postroom.accounts import Permission
from postroom.kit.clock import to_us
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_STATUS)]
MANAGES: Final = [needs(Permission.MANAGE_QUEUES)]


class RuleView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A rule."""

    rule: str
    means: str
    """What its threshold is."""
    threshold: float | None
    """Null: the rule is not looked at."""
    configured: float | None
    """The settings' threshold."""
    silent_until: datetime | None
    set_by: str | None


class Rules(msgspec.Struct, frozen=True):
    """All there are."""

    rules: Sequence[RuleView]


class RuleChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How it should stand."""

    threshold: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Null: as the settings have it."""
    silent_until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """Nobody is told until then; null: they are."""


_change = msgspec.json.Decoder(RuleChange)


@get(
    "/api/alerts",
    guards=SEES,
    operation_id="listAlertRules",
    tags=["monitoring"],
    summary="The rules of alerts",
)
async def list_rules(services: Services) -> Rules:
    """Those that are looked at, and those that could be."""
    return Rules(await rules_of(services))


@put("/api/alerts/{rule_id:str}", guards=MANAGES, operation_id="setAlertRule", tags=["monitoring"],
     summary="Set or silence a rule")  # fmt: skip
async def set_rule(rule_id: FromPath[str], request: Asked, services: Services) -> Rules:
    """Over what the settings say, for every process; from the next look on, which is within half a minute."""
    change = decode_body(await body_of(request) or b"{}", _change)
    silent_us = None if change.silent_until is None else to_us(change.silent_until)
    await change_rule(rule_id, change.threshold, silent_us, request, services)
    return Rules([one for one in await rules_of(services) if one.rule == rule_id])


@post("/api/alerts/test", guards=MANAGES, operation_id="testAlerts", tags=["monitoring"], summary="Try the alerts",
      status_code=202)  # fmt: skip
async def test_alerts(request: Asked, services: Services) -> dict[str, int]:
    """A notice that says it is only a test goes where alerts go; `addresses` is to how many."""
    return {"addresses": await services.operating.alerts.test(request.user.actor)}


HANDLERS: Final[Sequence[Any]] = (list_rules, set_rule, test_alerts)


async def change_rule(
    rule: str, threshold: float | None, silent_us: int | None, request: Asked, services: WebServices
) -> None:
    """Raises Refusal for a rule there is not."""
    if rule not in services.operating.alerts.names:
        known = ", ".join(services.operating.alerts.names)
        raise Refusal(NOT_FOUND, f"There is no such rule; known: {known}.")
    await services.operating.alerts.set(rule, request.user.actor, threshold=threshold, silent_us=silent_us)


async def rules_of(services: WebServices) -> list[RuleView]:
    """Every rule as it stands."""
    desk = services.operating.alerts
    standing = {one.rule.name: one for one in await desk.standing()}
    found = []
    for name, means in desk.names.items():
        one = standing.get(name)
        found.append(
            RuleView(
                rule=name, means=means, threshold=None if one is None else one.rule.threshold,
                configured=None if one is None else one.configured,
                silent_until=None if one is None else moment(one.silent_us), set_by=None if one is None else one.actor,
            )
        )  # fmt: skip
    return found

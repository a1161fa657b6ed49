"""`GET /api/audit`: the trail, filtered and page by page, and whether it is whole. Reading it is itself recorded."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.params import QueryParameter

from postroom.accounts import Permission
from postroom.audit import Chain, Verified, record, verify
from postroom.kit.clock import to_datetime
from postroom.web.auth import needs
from postroom.web.dependencies import Asked, Services
from postroom.web.moments import read_moment
from postroom.web.paging import LIMIT_DEFAULT, LIMIT_MAX, read_cursor, read_limit
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_AUDIT)]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who did what to what, when."""

    seq: int
    at: datetime
    actor: str
    role: str | None
    address: str | None
    """A keyed hash of where it came from: equal for equal ones."""
    action: str
    object_type: str
    object_id: str
    request_id: str | None
    before_sha256: str | None
    after_sha256: str | None
    details: dict[str, Any]
    hash: str | None


class AuditPage(msgspec.Struct, frozen=True):
    """Some entries, newest first."""

    entries: Sequence[AuditEntry]
    next: str | None
    """The `before` of the next page; null on the last."""


Filter = Annotated[str | None, QueryParameter(description="Only exactly this.")]


@get(
    "/api/audit",
    guards=SEES,
    operation_id="listAudit",
    tags=["audit"],
    summary="Look through the audit trail",
)
async def list_audit(
    request: Asked,
    services: Services,
    actor: Filter = None,
    action: Filter = None,
    object_type: Annotated[
        str | None, QueryParameter(name="objectType", description="Only this kind.")
    ] = None,
    object_id: Annotated[str | None, QueryParameter(name="objectId", description="Only this one.")] = None,
    since: Annotated[str | None, QueryParameter(description="From this moment on (RFC 3339).")] = None,
    until: Annotated[str | None, QueryParameter(description="Before this moment (RFC 3339).")] = None,
    before: Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")] = None,
    limit: Annotated[
        str | None, QueryParameter(description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.")
    ] = None,
) -> AuditPage:
    """Newest first; every filter narrows it down."""
    values = {
        "actor": actor, "action": action, "object_type": object_type, "object_id": object_id,
        "from_us": read_moment("since", since, 0), "until_us": read_moment("until", until, 1 << 62),
        "before": read_cursor(before),
    }  # fmt: skip
    return await read_page(services, request, values, read_limit(limit))


@get(
    "/api/audit/verify",
    guards=SEES,
    operation_id="verifyAudit",
    tags=["audit"],
    summary="Whether the trail is whole",
)
async def verify_audit(request: Asked, services: Services) -> Verified:
    """Every entry is checked; `broken` names the first that is not what it was."""
    await _note(services, request, "audit.verified", {})
    chain = services.store.chain
    assert isinstance(chain, Chain)
    return await services.store.read(lambda transaction: verify(transaction, chain))


@get(
    "/debug/audit-trail", guards=[needs(Permission.DEBUG)], operation_id="debugAuditTrail", tags=["debug"],
    summary="The last entries of the audit trail",
)  # fmt: skip
async def debug_audit_trail(request: Asked, services: Services) -> AuditPage:
    """The last twenty."""
    values: dict[str, Any] = {
        **dict.fromkeys(("actor", "action", "object_type", "object_id")),
        "from_us": 0, "until_us": 1 << 62, "before": 1 << 62,
    }  # fmt: skip
    return await read_page(services, request, values, LIMIT_DEFAULT)


HANDLERS: Final = (list_audit, verify_audit, debug_audit_trail)


async def read_page(services: WebServices, request: Asked, values: dict[str, Any], count: int) -> AuditPage:
    """One page; that it was read is on record first."""
    await note_reading(services, request, values)
    rows = await services.store.read(lambda t: t.all("list_audit", **values, limit=count + 1))
    more = len(rows) > count
    return AuditPage([_entry(row) for row in rows[:count]], str(rows[count - 1]["seq"]) if more else None)


async def note_reading(services: WebServices, request: Asked, values: dict[str, Any]) -> None:
    """That the trail is read, and by which filters, is on record first."""
    given = {
        name: value for name, value in values.items() if name in ("actor", "action", "object_type") and value
    }
    await _note(services, request, "audit.read", given)


async def _note(services: WebServices, request: Asked, action: str, details: dict[str, Any]) -> None:
    now_us, actor = services.clock.now_us(), request.user.actor
    await services.store.write(
        lambda transaction: record(
            transaction, at_us=now_us, actor=actor, action=action, object_type="audit", object_id="trail",
            details=details,
        )
    )  # fmt: skip


def _entry(row: dict[str, Any]) -> AuditEntry:
    names = ("seq", "actor", "address", "action", "object_type", "object_id", "request_id", "before_sha256",
             "after_sha256", "hash")  # fmt: skip
    return AuditEntry(
        at=to_datetime(row["at_us"]), role=row["actor_role"], details=msgspec.json.decode(row["details"]),
        **{name: row[name] for name in names},
    )  # fmt: skip

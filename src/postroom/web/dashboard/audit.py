"""The audit trail: who did what and when, and whether the chain is whole."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.response import Template

from postroom.accounts import Permission
from postroom.store import StoreTransaction
from postroom.web.api import audit as api
from postroom.web.auth import needs
from postroom.web.dashboard.jobs import day_of
from postroom.web.dashboard.rendering import page
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING, read_cursor
from postroom.web.services import WebServices

SEES: Final = [needs(Permission.SEE_AUDIT)]
LIMIT: Final = 50
LOOKED_AT_MAX: Final = 20_000
FILTERS: Final = ("actor", "action", "object_type", "object_id", "since", "until")
FIELD_MAX: Final = 200


@get("/app/audit", include_in_schema=False, guards=SEES)
async def audit_page(request: Asked, services: Services) -> Template:
    """Newest first, by filters."""
    return await _page(request, services)


@post("/app/audit/verify", include_in_schema=False, guards=SEES, status_code=200)
async def verify(request: Asked, services: Services) -> Template:
    """Check every entry now; that it was checked is on record too."""
    return await _page(request, services, verified=await api.verify_audit.fn(request, services))


HANDLERS: Final = (audit_page, verify)


async def _page(request: Asked, services: WebServices, *, verified: Any = None) -> Template:
    given = {name: request.query_params.get(name, "").strip()[:FIELD_MAX] or None for name in FILTERS}
    before = request.query_params.get("before")
    values = {
        **{name: given[name] for name in FILTERS[:4]}, "from_us": day_of("since", given["since"], request) or 0,
        "until_us": day_of("until", given["until"], request, days=1) or BEGINNING,
        "before": read_cursor(before) if before else BEGINNING,
    }  # fmt: skip
    await api.note_reading(services, request, values)
    rows, more = await services.store.read(lambda transaction: _entries(transaction, values))
    entries = [{**row, "details": msgspec.json.decode(row["details"])} for row in rows]
    return page(
        request, services, "audit.html", entries=entries, more=more, first=before is None, filters=given,
        verified=verified, chained=getattr(services.store.chain, "key_id", None),
    )  # fmt: skip


def _entries(
    transaction: StoreTransaction, values: dict[str, Any]
) -> tuple[list[dict[str, Any]], int | None]:
    """By the index that fits, else along the newest; a page looks at a bounded stretch."""
    newest = transaction.one("newest_audit")
    if newest is None:
        return [], None
    top = min(values["before"], newest["seq"] + 1)
    lowest = max(0, top - LOOKED_AT_MAX)
    shared = {name: values[name] for name in ("action", "object_type", "from_us", "until_us")}
    if values["object_type"] is not None and values["object_id"] is not None:
        keys = {"object_type": values["object_type"], "object_id": values["object_id"], "before": top}
        rows = transaction.all("audit_of_object", **keys, limit=LIMIT + 1)
        return rows[:LIMIT], rows[LIMIT - 1]["seq"] if len(rows) > LIMIT else None
    if values["actor"] is not None:
        rows = transaction.all(
            "search_audit_of_actor",
            **shared,
            actor=values["actor"],
            before=top,
            lowest=lowest,
            limit=LIMIT + 1,
        )
    else:
        rows = transaction.all("search_audit", **shared, before=top, lowest=lowest, limit=LIMIT + 1)
    if len(rows) > LIMIT:
        return rows[:LIMIT], rows[LIMIT - 1]["seq"]
    return rows, lowest if lowest > 0 else None

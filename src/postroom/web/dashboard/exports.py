"""Exports: asking for one, following it, fetching its file."""

from typing import Any, Final

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.exports.datasets import DATASETS
from postroom.web.api import exports as api
from postroom.web.auth import needs
from postroom.web.dashboard.asking import with_body
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.problems import errors_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import read_choice
from postroom.web.problems import Refusal
from postroom.web.services import WebServices

EXPORTS: Final = [needs(Permission.EXPORT)]
FORMATS: Final = ("csv", "json", "ndjson", "parquet")
DATES: Final = ("startDate", "endDate")


@get("/app/exports", include_in_schema=False, guards=EXPORTS)
async def exports_page(request: Asked, services: Services) -> Template:
    """Those there are, and a form for another."""
    return await _page(request, services)


@post("/app/exports", include_in_schema=False, guards=EXPORTS, status_code=200)
async def ask(request: Asked, services: Services) -> Template | Redirect:
    """Answered at once; a job writes the file."""
    form = form_of(request)
    filters = {name: value for name in DATES if (value := form.text(name))}
    body = {
        "dataset": form.raw("dataset"), "format": form.raw("format"), "filters": filters,
        "compression": "gzip" if form.checked("gzip") else "none", "notify": form.checked("notify"),
    }  # fmt: skip
    try:
        made = await api.create_export.fn(with_body(request, body), services)
    except Refusal as refusal:
        return await _page(request, services, errors=errors_of(refusal), given=form.under(""))
    return see_other(services, f"/app/exports/{made.export_id}", "good", "Asked for. This page follows it.")


@get("/app/exports/{export_id:str}", include_in_schema=False, guards=EXPORTS)
async def export_page(export_id: FromPath[str], request: Asked, services: Services) -> Template:
    """One, as far as it has come."""
    one = await api.get_export.fn(export_id, services)
    mine = one.user_id == request.user.name or Permission.MANAGE_USERS in request.user.permissions
    return page(request, services, "export.html", one=one, mine=mine, ended=one.status in api.ENDED)


@post("/app/exports/{export_id:str}/cancel", include_in_schema=False, guards=EXPORTS)
async def cancel(export_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Call it off."""
    await api.cancel_export.fn(export_id, request, services)
    return see_other(services, f"/app/exports/{export_id}", "good", "It is called off.")


HANDLERS: Final = (exports_page, ask, export_page, cancel)


async def _page(
    request: Asked, services: WebServices, *, errors: dict[str, str] | None = None, given: dict[str, str] | None = None
) -> Template:  # fmt: skip
    before = request.query_params.get("before")
    whose = read_choice("whose", request.query_params.get("whose"), ("mine", "all")) or "all"
    listed: Any = await api.list_exports.fn(
        services, "20", before, request.user.name if whose == "mine" else None
    )
    return page(
        request, services, "exports.html", listed=listed, first=before is None, whose=whose, errors=errors or {},
        given=given or {}, datasets=sorted(DATASETS), formats=FORMATS, status=422 if errors else 200,
    )  # fmt: skip

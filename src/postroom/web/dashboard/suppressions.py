"""Who is not to be written to: the list, adding somebody, lifting an entry."""

from typing import Any, Final

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.messages.suppressions import Source
from postroom.web.api import suppressions as api
from postroom.web.auth import needs
from postroom.web.dashboard.asking import with_body
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.problems import errors_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.problems import Refusal
from postroom.web.services import WebServices

MANAGES: Final = [needs(Permission.MANAGE_SUPPRESSIONS)]
LIMIT: Final = "50"


@get("/app/suppressions", include_in_schema=False, guards=MANAGES)
async def suppressions_page(request: Asked, services: Services) -> Template:
    """What holds now, newest first, masked."""
    return await _page(request, services)


@post("/app/suppressions", include_in_schema=False, guards=MANAGES, status_code=200)
async def suppress(request: Asked, services: Services) -> Template | Redirect:
    """Write to somebody no more."""
    form = form_of(request)
    body = {
        "recipient": form.text("recipient") or "",
        "topic": form.text("topic"),
        "reason": form.text("reason") or "",
    }
    try:
        await api.suppress_address.fn(with_body(request, body), services)
    except Refusal as refusal:
        given = {"topic": body["topic"], "reason": body["reason"], "recipient": body["recipient"]}
        return await _page(request, services, errors=errors_of(refusal), given=given)
    return see_other(services, "/app/suppressions", "good", "They are not written to any more.")


@post("/app/suppressions/search", include_in_schema=False, guards=MANAGES, status_code=200)
async def search(request: Asked, services: Services) -> Template:
    """How one address stands; in a form, because URLs are written down where recipients must not be."""
    recipient = form_of(request).text("recipient") or ""
    try:
        found = await api.search_suppressions.fn(with_body(request, {"recipient": recipient}), services)
    except Refusal as refusal:
        return await _page(request, services, errors=errors_of(refusal))
    return await _page(request, services, searched=found)


@post("/app/suppressions/{suppression_id:str}/lift", include_in_schema=False, guards=MANAGES)
async def lift(suppression_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Let them be written to again."""
    form = form_of(request)
    body = {"reason": form.text("reason") or "", "evidence": form.text("evidence")}
    try:
        await api.lift_suppression.fn(suppression_id, with_body(request, body), services)
    except Refusal as refusal:
        said = (
            refusal.detail
            or "; ".join(f"{one.field} {one.reason}" for one in refusal.errors)
            or refusal.kind.title
        )
        return see_other(services, "/app/suppressions", "bad", said)
    return see_other(
        services, "/app/suppressions", "good", "They may be written to again; the entry stays on record."
    )


HANDLERS: Final = (suppressions_page, suppress, search, lift)


async def _page(
    request: Asked, services: WebServices, *, errors: dict[str, str] | None = None, given: dict[str, Any] | None = None,
    searched: Any = None,
) -> Template:  # fmt: skip
    asked = request.query_params
    filters = {name: asked.get(name) or None for name in ("channel", "topic", "source", "history")}
    values = {**filters, "before": asked.get("before"), "limit": LIMIT}
    listed: Any = (
        await api.list_suppressions.fn(request, services, **values) if searched is None else searched
    )
    return page(
        request, services, "suppressions.html", listed=listed, filters=filters, first=asked.get("before") is None,
        searched=searched is not None,
        sources=[str(one) for one in Source], errors=errors or {}, given=given or {}, status=422 if errors else 200,
    )  # fmt: skip

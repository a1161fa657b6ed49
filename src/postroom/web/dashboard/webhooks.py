"""Webhooks: who is told of what happens, and what providers told us."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.messages.states import MessageState
from postroom.store import StoreTransaction
from postroom.web.api import webhooks as api
from postroom.web.auth import needs
from postroom.web.dashboard.asking import with_body
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.problems import errors_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING, read_choice, read_cursor
from postroom.web.problems import NOT_FOUND, Refusal
from postroom.web.services import WebServices

MANAGES: Final = [needs(Permission.MANAGE_WEBHOOKS)]
LIMIT: Final = 50
LOOKED_AT_MAX: Final = 20_000
SHOWN: Final = ("all", "waiting", "odd")


@get("/app/webhooks", include_in_schema=False, guards=MANAGES)
async def webhooks_page(request: Asked, services: Services) -> Template:
    """Subscriptions, and the log of what was received."""
    return await _page(request, services)


@post("/app/webhooks", include_in_schema=False, guards=MANAGES, status_code=200)
async def subscribe(request: Asked, services: Services) -> Template:
    """Its secret is on the page that follows, and nowhere else."""
    form = form_of(request)
    url = form.text("url") or ""
    body = {"url": url, "states": form.all("states")}
    try:
        made = await api.create_webhook.fn(with_body(request, body), services)
    except Refusal as refusal:
        return await _page(request, services, errors=errors_of(refusal), url=url)
    return await _page(request, services, made=made.content)


@post("/app/webhooks/{webhook_id:str}/{act:str}", include_in_schema=False, guards=MANAGES)
async def act_on(
    webhook_id: FromPath[str], act: FromPath[str], request: Asked, services: Services
) -> Redirect:
    """Try it, stop or resume it, or delete it."""
    match act:
        case "test":
            await api.try_webhook.fn(webhook_id, request, services)
            said = "A test event is on its way; how it ended is shown here."
        case "stop" | "resume":
            await api.change_webhook.fn(webhook_id, with_body(request, {"active": act == "resume"}), services)
            said = (
                "It is told again."
                if act == "resume"
                else "It is told nothing; what it misses is not told later."
            )
        case "delete":
            await api.delete_webhook.fn(webhook_id, request, services)
            said = "It is deleted."
        case _:
            raise Refusal(NOT_FOUND)
    return see_other(services, "/app/webhooks", "good", said)


@get("/app/webhooks/received/{webhook_id:str}", include_in_schema=False, guards=MANAGES)
async def received_page(webhook_id: FromPath[str], request: Asked, services: Services) -> Template:
    """One request that was received: not what it said, but what became of it."""
    row = await services.store.read(lambda transaction: transaction.one("find_webhook", id=webhook_id))
    if row is None:
        raise Refusal(NOT_FOUND, "There is no received webhook with that id.")
    headers = msgspec.json.decode(row["headers"])
    return page(request, services, "received.html", row=row, kept=sorted(headers), bytes=len(row["body"]))


HANDLERS: Final = (webhooks_page, subscribe, act_on, received_page)


async def _page(
    request: Asked, services: WebServices, *, made: Any = None, errors: dict[str, str] | None = None, url: str = ""
) -> Template:  # fmt: skip
    show = read_choice("show", request.query_params.get("show"), SHOWN) or "all"
    receiver = request.query_params.get("receiver") or None
    before = request.query_params.get("before")
    rows, more = await services.store.read(
        lambda transaction: _received(
            transaction, show, receiver, read_cursor(before) if before else BEGINNING
        )
    )
    listed = await api.list_webhooks.fn(services)
    counts = await services.store.read(lambda transaction: transaction.one("count_webhooks")) or {}
    return page(
        request, services, "webhooks.html", subscriptions=listed.webhooks, made=made, errors=errors or {}, url=url,
        rows=rows, more=more, first=before is None,
        filters={"show": show if show != "all" else None, "receiver": receiver},
        show=show, receivers=sorted(services.inbox.receivers), receiver=receiver, counts=counts,
        states=[str(state) for state in MessageState], status=422 if errors else 200,
    )  # fmt: skip


def _received(
    transaction: StoreTransaction, show: str, receiver: str | None, before: int
) -> tuple[list[dict[str, Any]], int | None]:
    if show != "all":
        query = "search_webhooks_waiting" if show == "waiting" else "search_webhooks_odd"
        rows = transaction.all(query, before=before, limit=LIMIT + 1)
        return rows[:LIMIT], rows[LIMIT - 1]["seq"] if len(rows) > LIMIT else None
    newest, oldest = transaction.one("newest_webhook"), transaction.one("oldest_webhook")
    if newest is None or oldest is None:
        return [], None
    top = min(before, newest["seq"] + 1)
    lowest = max(0, top - LOOKED_AT_MAX)
    rows = transaction.all("search_webhooks", before=top, lowest=lowest, receiver=receiver, limit=LIMIT + 1)
    if len(rows) > LIMIT:
        return rows[:LIMIT], rows[LIMIT - 1]["seq"]
    return rows, lowest if oldest["seq"] < lowest else None

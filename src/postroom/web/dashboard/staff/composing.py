"""Composing: from a template or freely, with the message beside it as its recipient will see it."""

from typing import Any, Final
from zoneinfo import available_timezones

from litestar import Response, get, post
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.kit.ids import new_id
from postroom.messages import IllegalMove, MessageInvalid, MessageRecord
from postroom.messages.previews import Preview
from postroom.messages.template_versions import NoSuchTemplate, Templates
from postroom.messages.template_versions import Template as MessageTemplate
from postroom.store import StoreTransaction
from postroom.web.api.message_lists import CHANNELS
from postroom.web.auth import needs
from postroom.web.dashboard.forms import Form, form_of
from postroom.web.dashboard.preferences import preferences_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dashboard.showing import html_letter
from postroom.web.dashboard.staff.drafting import LABELS, errors_of, read_draft, values_of
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import BEGINNING
from postroom.web.people import person_of
from postroom.web.services import WebServices

PATH: Final = "/app/compose"
DRAFTS: Final = [needs(Permission.DRAFT)]
TEMPLATES_MAX: Final = 200
INVALID: Final = 422
_TEMPLATES: Final = Templates()


@get(PATH, include_in_schema=False, guards=DRAFTS)
async def compose_page(request: Asked, services: Services) -> Template:
    """An empty message, of a channel and template that the URL may name."""
    query = request.query_params
    template = query.get("template", "")
    known = await _template(services, template)
    channel = known.channel if known is not None else query.get("channel", "email")
    form = Form([("channel", channel), ("template", template if known is not None else "")])
    values = values_of(form) | {
        "id": new_id(), "when": "now", "priority": "normal", "health_data": True, "zone": "",
        "variables": {},
    }  # fmt: skip
    return await _page(request, services, values, {})


@post(PATH, include_in_schema=False, guards=DRAFTS, status_code=200)
async def compose(request: Asked, services: Services) -> Template | Redirect:
    """Keep the draft, and submit or send it where that was asked for; or show the form again."""
    form = form_of(request)
    act = form.raw("act")
    if act in ("fields", "preview"):
        return await _page(request, services, values_of(form), {}, previewed=act == "preview")
    person = person_of(request)
    try:
        draft = read_draft(form, _zone(request))
        made = await services.desk.draft(person, draft, services.fill(draft))
    except MessageInvalid as error:
        return await _page(request, services, values_of(form), errors_of(error), status=INVALID)
    except IllegalMove:
        # The same form came twice.
        return see_other(services, f"/app/messages/{form.raw('id')}", "note", "This message is kept already.")
    return await _acted(services, person, act, made)


@post(f"{PATH}/fields", include_in_schema=False, guards=DRAFTS, status_code=200)
async def compose_fields(request: Asked, services: Services) -> Template:
    """The fields of another channel or template, with what was typed."""
    values = values_of(form_of(request))
    return page(request, services, "compose_fields.html", **await _choices(services, values), errors={})


@post(f"{PATH}/preview", include_in_schema=False, guards=DRAFTS, status_code=200)
async def compose_preview(request: Asked, services: Services) -> Template:
    """The message as its recipient would see it, and what is still missing."""
    preview, errors = await _preview(request, services, form_of(request))
    return page(request, services, "compose_preview.html", preview=preview, errors=errors, labels=LABELS)


@post(f"{PATH}/html", include_in_schema=False, guards=DRAFTS, status_code=200)
async def compose_html(request: Asked, services: Services) -> Response[str]:
    """The HTML of the message, for a frame that runs and loads nothing."""
    preview, _ = await _preview(request, services, form_of(request))
    if preview is None:
        return html_letter(None)
    return html_letter(preview.behind.html if preview.behind is not None else preview.html)


HANDLERS: Final = (compose_page, compose, compose_fields, compose_preview, compose_html)


async def _acted(services: WebServices, person: Any, act: str, made: MessageRecord) -> Redirect:
    to = f"/app/messages/{made.id}"
    match act:
        case "submit":
            await services.desk.submit(person, made.id, made.version)
            return see_other(services, to, "good", "Sent to the reviewers.")
        case "send":
            sent = await services.desk.send(person, made.id, made.version)
            said = "It leaves when it is planned to." if sent.status == "scheduled" else "It is on its way."
            return see_other(services, to, "good", said)
        case _:
            return see_other(services, to, "good", "The draft is kept.")


async def _page(
    request: Asked, services: WebServices, values: dict[str, Any], errors: dict[str, str], *, status: int = 200,
    previewed: bool = False,
) -> Template:  # fmt: skip
    preview, missing = await _preview(request, services, form_of(request)) if previewed else (None, {})
    return page(
        request, services, "compose.html", status=status, **await _choices(services, values), errors=errors,
        labels=LABELS, preview=preview, previewed=previewed, missing=missing, zones=sorted(available_timezones()),
    )  # fmt: skip


async def _choices(services: WebServices, values: dict[str, Any]) -> dict[str, Any]:
    """The values, the templates of the channel, and the one that was chosen."""
    channel = values["channel"] if values["channel"] in CHANNELS else "email"

    def look(transaction: StoreTransaction) -> list[MessageTemplate]:
        return _TEMPLATES.page(transaction, BEGINNING, TEMPLATES_MAX, channel=channel)

    templates = await services.store.read(look)
    chosen = next((one for one in templates if one.id == values["template"]), None)
    return {"values": {**values, "channel": channel}, "templates": templates, "chosen": chosen}


async def _template(services: WebServices, name: str) -> MessageTemplate | None:
    if not name:
        return None
    try:
        return await services.store.read(lambda transaction: _TEMPLATES.find(transaction, name))
    except NoSuchTemplate:
        return None


async def _preview(
    request: Asked, services: WebServices, form: Form
) -> tuple[Preview | None, dict[str, str]]:
    """What it would look like; else what is missing for that."""
    try:
        draft = read_draft(form, _zone(request))
        now_us = services.clock.now_us()
        preview = await services.store.read(lambda t: services.previews.of_draft(t, draft, now_us))
    except MessageInvalid as error:
        return None, errors_of(error)
    return preview, {}


def _zone(request: Asked) -> str:
    return preferences_of(dict(request.cookies)).zone

"""One message: where it is and what happened; opened, what it says; and what its author can do with it."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.kit.clock import to_datetime
from postroom.messages import MessageInvalid, MessageRecord, Person, VersionMoved
from postroom.messages.states import MOVES
from postroom.messages.workflow import NOTE_CHARS_MAX
from postroom.web.api.message_reading import find_message, find_timeline
from postroom.web.api.message_views import message_view
from postroom.web.auth import Identity, needs
from postroom.web.dashboard.forms import Form, form_of
from postroom.web.dashboard.preferences import Preferences, preferences_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dashboard.showing import differences, html_letter
from postroom.web.dashboard.staff.drafting import LABELS, errors_of, read_changes, read_plan, values_of
from postroom.web.dependencies import Asked, Services
from postroom.web.people import person_of
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Refusal
from postroom.web.services import WebServices

PATH: Final = "/app/messages/{message_id:str}"
LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
EVENTS_MAX: Final = 100
INVALID: Final = 422
MOVED: Final = 412
DONE: Final = {
    "submit": "Sent to the reviewers.", "send": "It is on its way.", "cancel": "Called off.",
    "resend": "It is sent once more.", "resolve": "What became of it is on record.",
}  # fmt: skip


@get(PATH, include_in_schema=False, guards=LOOKS_UP)
async def message_page(message_id: FromPath[str], request: Asked, services: Services) -> Template:
    """Its record and its timeline; recipient masked, content closed."""
    record = await find_message(services, message_id)
    return await _page(request, services, record)


@get(f"{PATH}/content", include_in_schema=False, guards=LOOKS_UP)
async def message_opened(message_id: FromPath[str], request: Asked, services: Services) -> Template:
    """The same with what it says, to whom, and how it was edited; the reading is audited."""
    reading = await services.desk.compare(person_of(request), message_id)
    now_us = services.clock.now_us()
    preview = await services.store.read(lambda t: services.previews.of_record(t, reading.now, now_us))
    return await _page(
        request, services, reading.now, preview=preview, differences=differences(reading), opened=True
    )


@get(f"{PATH}/html", include_in_schema=False, guards=LOOKS_UP)
async def message_html(message_id: FromPath[str], request: Asked, services: Services) -> Response[str]:
    """Its HTML, for a frame; audited like any reading."""
    return html_letter((await services.desk.read(person_of(request), message_id)).html)


@get(f"{PATH}/edit", include_in_schema=False, guards=LOOKS_UP)
async def edit_page(message_id: FromPath[str], request: Asked, services: Services) -> Template:
    """What it says, to be changed; the reading is audited."""
    record = await services.desk.read(person_of(request), message_id)
    zone = _preferences(request)
    return _edit(request, services, record, _values(record, zone), {})


@post(f"{PATH}/edit", include_in_schema=False, guards=LOOKS_UP, status_code=200)
async def edit(message_id: FromPath[str], request: Asked, services: Services) -> Template | Redirect:
    """Change it; if somebody else did meanwhile, nothing is lost: both are shown."""
    form, person = form_of(request), person_of(request)
    record = await find_message(services, message_id)
    preferences = _preferences(request)
    try:
        changes = read_changes(form, record.channel, preferences.zone)
        await services.desk.edit(person, message_id, changes, form.whole("version"))
    except MessageInvalid as error:
        return _edit(request, services, record, values_of(form), errors_of(error), status=INVALID)
    except VersionMoved:
        return _edit(request, services, record, values_of(form), {}, status=MOVED, moved=True)
    to = form.text("back")
    back = to if to in ("/app/reviews",) else None
    path = f"{back}/{message_id}" if back else f"/app/messages/{message_id}"
    return see_other(services, path, "good", "Changed.")


@post(f"{PATH}/schedule", include_in_schema=False, guards=LOOKS_UP, status_code=303)
async def schedule(message_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Plan when it is to leave."""
    form, person = form_of(request), person_of(request)
    path = f"/app/messages/{message_id}"
    try:
        at_us = read_plan(form, _preferences(request).zone)
        await services.desk.schedule(person, message_id, form.whole("version"), at_us, form.text("zone"))
    except MessageInvalid as error:
        said = "; ".join(f"{LABELS.get(name, name)} {why}" for name, why in errors_of(error).items())
        return see_other(services, path, "bad", f"{said}.")
    return see_other(services, path, "good", "Planned.")


@post(f"{PATH}/{{act:str}}", include_in_schema=False, guards=LOOKS_UP, status_code=303)
async def act_on_message(
    message_id: FromPath[str], act: FromPath[str], request: Asked, services: Services
) -> Redirect:
    """Submit, send, call off or send once more; what may not be is refused by the desk."""
    form, person = form_of(request), person_of(request)
    if act not in DONE:
        raise Refusal(NOT_FOUND)
    await _act(services, person, message_id, act, form)
    return see_other(services, f"/app/messages/{message_id}", "good", DONE[act])


HANDLERS: Final = (message_page, message_opened, message_html, edit_page, edit, schedule, act_on_message)


async def _act(services: WebServices, person: Person, message_id: str, act: str, form: Form) -> None:
    version, desk, note = form.whole("version"), services.desk, form.text("note")
    if note is not None and len(note) > NOTE_CHARS_MAX:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("note", f"must have at most {NOTE_CHARS_MAX:,} characters")])
    match act:
        case "submit":
            await desk.submit(person, message_id, version)
        case "send":
            await desk.send(person, message_id, version)
        case "cancel":
            await desk.cancel(person, message_id, version)
        case "resend":
            await desk.resend(person, message_id, version)
        case "resolve":
            await desk.resolve(person, message_id, form.checked("arrived"), version, note)


async def _page(
    request: Asked, services: WebServices, record: MessageRecord, *, opened: bool = False, **values: Any
) -> Template:
    timeline = await find_timeline(services, record.id, 0, EVENTS_MAX)
    why = await services.watching.why(record.id) if record.status in MOVING else None
    return page(
        request, services, "message.html", record=message_view(record), timeline=timeline, why=why, opened=opened,
        acts=acts_of(request.user, record), note=record.review_note if opened else None,
        has_note=record.review_note is not None, **{"preview": None, "differences": [], **values},
    )  # fmt: skip


MOVING: Final = frozenset({"queued", "scheduled", "retry_scheduled", "processing", "uncertain"})
"""States in which one may ask why it is not moving."""


def acts_of(identity: Identity, record: MessageRecord) -> set[str]:
    """What is offered to this person: what the table of states allows and their role may. The desk decides."""
    own, may = record.author == identity.name, identity.permissions
    directly = Permission.SEND_DIRECTLY in may
    allowed = {
        "edit": (own and Permission.DRAFT in may)
        or (Permission.REVIEW in may and record.status == "pending_review"),
        "submit": (own and Permission.SUBMIT in may) or directly,
        "send": directly,
        "schedule": (own and Permission.DRAFT in may) or directly,
        "cancel": (own and Permission.DRAFT in may) or directly,
        "resend": directly or (own and record.approved_sha256 is not None),
        "resolve": directly,
        "approve": Permission.REVIEW in may and not own,
        "reject": Permission.REVIEW in may,
    }
    offered = {act for act, yes in allowed.items() if yes and record.status in MOVES[act].targets}
    if own or Permission.READ_BODIES in may:
        offered.add("read")
    return offered


def _edit(
    request: Asked, services: WebServices, record: MessageRecord, values: dict[str, Any], errors: dict[str, str],
    *, status: int = 200, moved: bool = False,
) -> Template:  # fmt: skip
    version = record.version if moved or status == 200 else form_of(request).whole("version")
    return page(
        request, services, "edit.html", status=status, record=message_view(record), values=values, errors=errors,
        labels=LABELS, version=version, moved=moved,
        back=request.query_params.get("back") or form_of(request).text("back"),
        has_html=record.html is not None,
    )  # fmt: skip


def _values(record: MessageRecord, preferences: Preferences) -> dict[str, Any]:
    return {
        "recipient": record.recipient, "subject": record.subject, "content": record.content, "html": record.html,
        "zone": record.zone, "topic": record.topic, "priority": record.priority,
        "expires": _local(record.expires_us, record.zone, preferences),
    }  # fmt: skip


def _local(moment_us: int | None, zone: str | None, preferences: Preferences) -> str:
    """As a field for date and time has it."""
    if moment_us is None:
        return ""
    info = preferences.zone_info if zone is None else Preferences(zone=zone).zone_info
    return to_datetime(moment_us).astimezone(info).strftime("%Y-%m-%dT%H:%M")


def _preferences(request: Asked) -> Preferences:
    return preferences_of(dict(request.cookies))

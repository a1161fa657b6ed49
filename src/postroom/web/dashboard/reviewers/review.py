"""A message under review: what exactly will be sent and to whom, how it was edited, and the decision."""

from typing import Any, Final, NamedTuple

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.messages import IllegalMove, MessageRecord, MessageState, VersionMoved
from postroom.messages.workflow import NOTE_CHARS_MAX
from postroom.web.api.message_lists import Wanted, find_reviews
from postroom.web.api.message_reading import find_message, find_timeline
from postroom.web.api.message_views import message_view
from postroom.web.auth import needs
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dashboard.reviewers.inbox import PATH as INBOX
from postroom.web.dashboard.showing import differences
from postroom.web.dashboard.staff.message import EVENTS_MAX, acts_of
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import LIMIT_MAX
from postroom.web.people import person_of
from postroom.web.services import WebServices

PATH: Final = INBOX + "/{message_id:str}"
REVIEWS: Final = [needs(Permission.REVIEW)]


class Place(NamedTuple):
    """Where a message stands among those that wait."""

    before: str | None
    after: str | None
    number: int | None
    """From 1; None when it waits no more."""
    waiting: int


@get(PATH, include_in_schema=False, guards=REVIEWS)
async def review_page(message_id: FromPath[str], request: Asked, services: Services) -> Template:
    """Closed: recipient masked."""
    return await _page(request, services, await find_message(services, message_id))


@get(f"{PATH}/content", include_in_schema=False, guards=REVIEWS)
async def review_opened(message_id: FromPath[str], request: Asked, services: Services) -> Template:
    """Opened, which is audited: the message as it will be sent, and every edit of it."""
    reading = await services.desk.compare(person_of(request), message_id)
    now_us = services.clock.now_us()
    preview = await services.store.read(lambda t: services.previews.of_record(t, reading.now, now_us))
    return await _page(
        request, services, reading.now, preview=preview, differences=differences(reading), opened=True
    )


@post(f"{PATH}/approve", include_in_schema=False, guards=REVIEWS, status_code=303)
async def approve(message_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """What this version says, and no other."""
    return await _decide(message_id, request, services, approved=True)


@post(f"{PATH}/reject", include_in_schema=False, guards=REVIEWS, status_code=303)
async def reject(message_id: FromPath[str], request: Asked, services: Services) -> Redirect:
    """Back to its author, with a note that says why."""
    return await _decide(message_id, request, services, approved=False)


HANDLERS: Final = (review_page, review_opened, approve, reject)


async def _decide(message_id: str, request: Asked, services: WebServices, *, approved: bool) -> Redirect:
    form, person, desk = form_of(request), person_of(request), services.desk
    here = f"{INBOX}/{message_id}"
    note, version = form.text("note"), form.whole("version")
    if note is not None and len(note) > NOTE_CHARS_MAX:
        return see_other(services, here, "bad", f"A note has at most {NOTE_CHARS_MAX:,} characters.")
    if not approved and note is None:
        return see_other(services, f"{here}/content", "bad", "Say in a note why; its author reads it.")
    if version is None:
        return see_other(services, here, "bad", "Look at it, then decide.")
    place = await _place(services, message_id)
    try:
        if approved:
            await desk.approve(person, message_id, version, note)
        else:
            await desk.reject(person, message_id, version, note)
    except VersionMoved:
        return see_other(services, here, "bad", "It has changed meanwhile. Look at it again, then decide.")
    except IllegalMove as error:
        return see_other(services, here, "bad", f"It is {error.state.replace('_', ' ')} already.")
    onward = place.after or place.before
    said = f"{message_id} is {'approved' if approved else 'sent back'}."
    if onward is None:
        return see_other(services, INBOX, "good", f"{said} Nothing else waits.")
    return see_other(services, f"{INBOX}/{onward}", "good", f"{said} This is the next.")


async def _page(request: Asked, services: WebServices, record: MessageRecord, **values: Any) -> Template:
    timeline = await find_timeline(services, record.id, 0, EVENTS_MAX)
    return page(
        request, services, "review.html", record=message_view(record), timeline=timeline,
        place=await _place(services, record.id), acts=acts_of(request.user, record),
        own=record.author == request.user.name, waits=record.status is MessageState.PENDING_REVIEW,
        note_max=NOTE_CHARS_MAX, edited=any(one.kind == "edited" for one in timeline.events),
        **{"preview": None, "differences": [], "opened": False, **values},
    )  # fmt: skip


async def _place(services: WebServices, message_id: str) -> Place:
    ids = [one.message_id for one in (await find_reviews(services, Wanted(), None, LIMIT_MAX)).messages]
    if message_id not in ids:
        return Place(None, ids[0] if ids else None, None, len(ids))
    at = ids.index(message_id)
    return Place(ids[at - 1] if at else None, ids[at + 1] if at + 1 < len(ids) else None, at + 1, len(ids))

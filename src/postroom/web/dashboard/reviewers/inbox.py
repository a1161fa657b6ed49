"""The inbox: what waits for a decision, oldest first; and approving several at once, within limits."""

from collections.abc import Sequence
from typing import Final

from litestar import get, post
from litestar.response import Redirect, Template

from postroom.accounts import Permission
from postroom.messages import IllegalMove, NoSuchMessage, NotAllowed, VersionMoved
from postroom.store import StoreTransaction
from postroom.web.api.message_lists import Wanted, find_reviews
from postroom.web.api.message_views import MessageView
from postroom.web.auth import needs
from postroom.web.dashboard.forms import form_of
from postroom.web.dashboard.rendering import page, see_other
from postroom.web.dependencies import Asked, Services
from postroom.web.paging import LIMIT_MAX
from postroom.web.people import person_of
from postroom.web.services import WebServices

PATH: Final = "/app/reviews"
REVIEWS: Final = [needs(Permission.REVIEW)]
BULK_MAX: Final = 20
"""Messages approved at once: as many as one can still look at as a list."""


@get(PATH, include_in_schema=False, guards=REVIEWS)
async def inbox(request: Asked, services: Services) -> Template:
    """What waits; recipients masked, contents closed."""
    found = await find_reviews(services, Wanted(), None, LIMIT_MAX)
    alike = await unedited(services, found.messages)
    bulk = {
        one.message_id
        for one in found.messages
        if one.message_id in alike and one.author != request.user.name
    }
    return page(
        request, services, "reviews.html", found=found.messages, bulk=bulk, most=BULK_MAX, limit=LIMIT_MAX
    )


@post(f"{PATH}/approve", include_in_schema=False, guards=REVIEWS, status_code=303)
async def approve_several(request: Asked, services: Services) -> Redirect:
    """Each as if it were approved alone. Only what a template says unchanged: whatever somebody wrote is read first."""
    chosen = [one.rpartition(":") for one in form_of(request).all("message")]
    if not chosen:
        return see_other(services, PATH, "bad", "Choose messages first.")
    if len(chosen) > BULK_MAX:
        return see_other(services, PATH, "bad", f"At most {BULK_MAX} can be approved at once; none was.")
    waiting = {
        one.message_id: one for one in (await find_reviews(services, Wanted(), None, LIMIT_MAX)).messages
    }
    alike = await unedited(services, [waiting[id_] for id_, _, _ in chosen if id_ in waiting])
    person, done = person_of(request), 0
    for id_, _, version in chosen:
        if id_ not in alike or not version.isdigit():
            continue
        try:
            await services.desk.approve(person, id_, int(version[:15]))
            done += 1
        except (IllegalMove, NoSuchMessage, NotAllowed, VersionMoved):
            # It is on record with the message, and the count tells.
            continue
    left = len(chosen) - done
    said = (
        f"{done} approved."
        if not left
        else f"{done} approved; {left} not: they have changed, or have to be read."
    )
    return see_other(services, PATH, "good" if not left else "note", said)


HANDLERS: Final = (inbox, approve_several)


async def unedited(services: WebServices, messages: Sequence[MessageView]) -> set[str]:
    """Of these messages, those that say what their template says."""
    made = [one.message_id for one in messages if one.template is not None]

    def look(transaction: StoreTransaction) -> set[str]:
        return {id_ for id_ in made if not services.records.is_edited(transaction, id_)}

    return await services.store.read(look)

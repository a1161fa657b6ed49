"""Lists of messages: by filter, by recipient, and what waits for a reviewer.

Whom a message is to may be asked for in a body only: URLs end up in logs.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from postroom.accounts import Permission
from postroom.jobs.models import Moment
from postroom.kit.clock import to_us
from postroom.messages import MessageRecord, MessageState
from postroom.store import StoreTransaction
from postroom.web.api.message_views import MessagePage, message_view
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import read_moment
from postroom.web.paging import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    parameter_invalid,
    read_choice,
    read_cursor,
    read_limit,
    refuse_recipient,
)
from postroom.web.services import WebServices

STATES: Final = tuple(MessageState)
CHANNELS: Final = ("email", "sms", "portal")
LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
EVER: Final = 1 << 62

Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[
    str | None,
    QueryParameter(
        description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.",
        schema_extra={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
]
Status = Annotated[
    str | None, QueryParameter(description="Only those in this state.", schema_extra={"enum": list(STATES)})
]
Channel = Annotated[
    str | None,
    QueryParameter(description="Only those of this channel.", schema_extra={"enum": list(CHANNELS)}),
]
Author = Annotated[str | None, QueryParameter(description="Only those that this person wrote.")]
Only = Annotated[str | None, QueryParameter(description="Only those of exactly this.")]
Since = Annotated[str | None, QueryParameter(description="Written from this moment on (RFC 3339).")]
Until = Annotated[str | None, QueryParameter(description="Written before this moment (RFC 3339).")]


class Wanted(NamedTuple):
    """Which messages; None: any."""

    status: str | None = None
    channel: str | None = None
    author: str | None = None
    topic: str | None = None
    template: str | None = None
    provider: str | None = None
    since_us: int = 0
    until_us: int = EVER
    recipient_key: str | None = None

    @property
    def query(self) -> str:
        """The query whose index fits the most telling filter."""
        for name in ("recipient_key", "author", "status"):
            if getattr(self, name) is not None:
                return f"list_messages_by_{name}"
        return "list_messages"


class Search(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Whose messages, and which of them."""

    recipient: str
    """Exactly this address or number."""
    status: MessageState | None = None
    channel: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    before: str | None = None
    """The `next` of an earlier page."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT

    def __repr__(self) -> str:
        return "Search()"


_search = msgspec.json.Decoder(Search)


@get("/api/messages", guards=LOOKS_UP, operation_id="listMessages", tags=["messages"],
     summary="List messages, newest first")  # fmt: skip
async def list_messages(
    request: Asked, services: Services, status: Status = None, channel: Channel = None, author: Author = None,
    topic: Only = None, template: Only = None, provider: Only = None, since: Since = None, until: Until = None,
    before: Before = None, limit: Limit = None,
) -> MessagePage:  # fmt: skip
    """Every filter narrows it down."""
    refuse_recipient(request.query_params, "/api/messages/search")
    wanted = Wanted(
        read_choice("status", status, STATES), read_choice("channel", channel, CHANNELS), author, topic, template,
        provider, read_moment("since", since, 0), read_moment("until", until, EVER),
    )  # fmt: skip
    return await find_messages(services, wanted, read_cursor(before), read_limit(limit))


@post("/api/messages/search", status_code=200, guards=LOOKS_UP, operation_id="searchMessages", tags=["messages"],
      summary="The messages to one person, newest first")  # fmt: skip
async def search_messages(request: Asked, services: Services) -> MessagePage:
    """In a body, because URLs are written down where recipients must not be."""
    search = decode_body(await body_of(request), _search)
    wanted = Wanted(
        search.status, read_choice("channel", search.channel, CHANNELS), None, None, None, None,
        0 if search.since is None else to_us(search.since), EVER if search.until is None else to_us(search.until),
        services.records.vault.index(search.recipient),
    )  # fmt: skip
    return await find_messages(services, wanted, read_cursor(search.before), search.limit)


@get("/api/reviews", guards=LOOKS_UP, operation_id="listReviews", tags=["messages"],
     summary="What waits for a reviewer, oldest first")  # fmt: skip
async def list_reviews(
    services: Services, channel: Channel = None, author: Author = None,
    after: Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")] = None,
    limit: Limit = None,
) -> MessagePage:  # fmt: skip
    """Messages under review, those that wait longest first."""
    wanted = Wanted(channel=read_choice("channel", channel, CHANNELS), author=author)
    return await find_reviews(services, wanted, after, read_limit(limit))


HANDLERS: Final = (list_messages, search_messages, list_reviews)


async def find_reviews(services: WebServices, wanted: Wanted, after: str | None, count: int) -> MessagePage:
    """What waits for a reviewer, of a channel and an author; oldest first."""
    after_us, after_seq = _place(after)
    values = {
        "after_us": after_us, "after_seq": after_seq, "author": wanted.author, "limit": count + 1,
        "channel": wanted.channel,
    }  # fmt: skip
    found = await _opened(services, "list_reviews", values)
    last = found[count - 1] if len(found) > count else None
    return MessagePage(
        [message_view(one) for one in found[:count]],
        None if last is None else f"{last.submitted_us}-{last.seq}",
    )


async def find_messages(services: WebServices, wanted: Wanted, before: int, count: int) -> MessagePage:
    """Messages, newest first."""
    found = await _opened(services, wanted.query, {**wanted._asdict(), "before": before, "limit": count + 1})
    more = len(found) > count
    return MessagePage(
        [message_view(one) for one in found[:count]], str(found[count - 1].seq) if more else None
    )


async def _opened(services: WebServices, query: str, values: dict[str, Any]) -> Sequence[MessageRecord]:
    def look(transaction: StoreTransaction) -> Sequence[MessageRecord]:
        return [services.records.opened(transaction, row) for row in transaction.all(query, **values)]

    return await services.store.read(look)


def _place(given: str | None) -> tuple[int, int]:
    """The moment and the number that a page of reviews begins after; raises Refusal."""
    if given is None:
        return 0, 0
    submitted, dash, seq = given.partition("-")
    if not dash or not all(one.isascii() and one.isdigit() and len(one) <= 18 for one in (submitted, seq)):
        raise parameter_invalid("after", "must be the `next` of an earlier page")
    return int(submitted), int(seq)

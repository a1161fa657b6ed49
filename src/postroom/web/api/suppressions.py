"""`/api/suppressions`: who is not to be written to, and why. Addresses are masked; each change has an audit entry."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.kit.clock import to_datetime
from postroom.kit.redact import mask
from postroom.messages.drafts import TOPIC_CHARS_MAX
from postroom.messages.suppressions import (
    EVIDENCE_CHARS_MAX,
    LATEST,
    REASON_CHARS_MAX,
    AddressInvalid,
    Entry,
    NoSuchEntry,
    OnlyThePerson,
    Source,
    Suppressions,
    channel_of,
)
from postroom.messages.templates import EVERYTHING
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.paging import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    read_choice,
    read_cursor,
    read_limit,
    refuse_recipient,
)
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Kind, Refusal
from postroom.web.services import WebServices

T = TypeVar("T")

MANAGES: Final = [needs(Permission.MANAGE_SUPPRESSIONS)]
CREATED: Final = 201
CHANNELS: Final = ("email", "sms")
SOURCES: Final = {"enum": list(Source)}
ONLY_THE_PERSON: Final = Kind("only-the-person", 409, "Only the person takes that back")

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]
Evidence = Annotated[str, msgspec.Meta(min_length=1, max_length=EVIDENCE_CHARS_MAX)]


class SuppressionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One entry of the ledger."""

    suppression_id: str
    channel: str
    recipient: str | None
    """Masked; null where only its digest is known."""
    topic: str
    """`*` for everything."""
    state: str
    """`suppressed` or `allowed`."""
    source: str
    evidence: str | None
    """What proves it: the id of an event, a call or a message, or where a signature is kept."""
    wording: str | None
    """The version of the words that were agreed to."""
    reason: str | None
    actor: str
    at: datetime


class SuppressionPage(msgspec.Struct, frozen=True):
    """Some entries, newest first."""

    suppressions: Sequence[SuppressionView]
    next: str | None
    """The `before` of the next page; null on the last."""


class NewSuppression(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Whom not to write to any more."""

    recipient: str
    channel: Literal["email", "sms"] | None = None
    """By default what the address looks like."""
    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=TOPIC_CHARS_MAX)] | None = None
    """What about; null for everything."""
    reason: Reason

    def __repr__(self) -> str:
        return "NewSuppression()"


class Lifting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why they may be written to again."""

    reason: Reason
    evidence: Evidence | None = None
    """Of new consent: what was signed, ticked or said, and where that is kept. Lifts complaints and STOP too."""
    wording: Evidence | None = None

    def __repr__(self) -> str:
        return "Lifting()"


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which address, and what about it."""

    recipient: str
    channel: Literal["email", "sms"] | None = None
    topic: str | None = None
    """Only of this one; `*` for everything."""
    history: bool = False
    """Every entry, also past ones."""
    before: str | None = None
    """The `next` of an earlier page."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT

    def __repr__(self) -> str:
        return "Search()"


_new = msgspec.json.Decoder(NewSuppression)
_search = msgspec.json.Decoder(Search)
_lifting = msgspec.json.Decoder(Lifting)

Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[str | None, QueryParameter(description="How many: 1 to 100, by default 20.")]


@get(
    "/api/suppressions",
    guards=MANAGES,
    operation_id="listSuppressions",
    tags=["suppressions"],
    summary="Who is not to be written to",
)
async def list_suppressions(
    request: Asked,
    services: Services,
    channel: Annotated[str | None, QueryParameter(description="`email` or `sms`.")] = None,
    topic: Annotated[str | None, QueryParameter(description="Only of this topic; `*` for everything.")] = None,
    source: Annotated[str | None, QueryParameter(description="Only for this reason.", schema_extra=SOURCES)] = None,
    history: Annotated[str | None, QueryParameter(description="`yes` for every entry, also past ones.")] = None,
    before: Before = None,
    limit: Limit = None,
) -> SuppressionPage:  # fmt: skip
    """What holds now, newest first."""
    refuse_recipient(request.query_params, "/api/suppressions/search")
    wanted = {
        "channel": read_choice("channel", channel, CHANNELS), "topic": topic,
        "source": read_choice("source", source, list(Source)),
        "history": read_choice("history", history, ("yes", "no")) == "yes",
    }  # fmt: skip
    return await _page(services, read_cursor(before), read_limit(limit), wanted)


@post(
    "/api/suppressions/search",
    guards=MANAGES,
    status_code=200,
    operation_id="searchSuppressions",
    tags=["suppressions"],
    summary="How one address stands",
)
async def search_suppressions(request: Asked, services: Services) -> SuppressionPage:
    """In a body, because URLs are written down where recipients must not be."""
    search = decode_body(await body_of(request), _search)
    key = _key(Suppressions(services.records.vault), search.recipient)
    wanted = {"key": key, "channel": search.channel, "topic": search.topic, "history": search.history}
    return await _page(services, read_cursor(search.before), search.limit, wanted)


@post(
    "/api/suppressions",
    guards=MANAGES,
    status_code=CREATED,
    operation_id="suppressAddress",
    tags=["suppressions"],
    summary="Write to somebody no more",
)
async def suppress_address(request: Asked, services: Services) -> Response[SuppressionView]:
    """At once, also for messages that are on their way to a provider. 200 when it stands so already."""
    new = decode_body(await body_of(request), _new)
    actor, now_us, ledger = request.user.actor, services.clock.now_us(), Suppressions(services.records.vault)
    channel = new.channel or channel_of(new.recipient)

    def act(transaction: StoreTransaction) -> tuple[bool, Entry]:
        key = ledger.key(channel, new.recipient)
        topic = None if new.topic == EVERYTHING else new.topic
        fresh = ledger.suppress(
            transaction,
            channel,
            new.recipient,
            topic,
            Source.STAFF,
            actor=actor,
            now_us=now_us,
            reason=new.reason,
        )
        held = ledger.page(transaction, LATEST, 1, channel=channel, topic=topic or EVERYTHING, key=key)
        return fresh, held[0]

    fresh, entry = await _acting(services, act)
    location = {"location": f"/api/suppressions/{entry.id}"}
    return Response(suppression_view(entry), status_code=CREATED if fresh else 200, headers=location)


@get(
    "/api/suppressions/{suppression_id:str}",
    guards=MANAGES,
    operation_id="getSuppression",
    tags=["suppressions"],
    summary="One entry",
)
async def get_suppression(suppression_id: FromPath[str], services: Services) -> SuppressionView:
    """By id, also when it no longer holds."""
    ledger = Suppressions(services.records.vault)
    try:
        return suppression_view(await services.store.read(lambda t: ledger.find(t, suppression_id)))
    except NoSuchEntry:
        raise _not_found() from None


@delete(
    "/api/suppressions/{suppression_id:str}",
    guards=MANAGES,
    status_code=200,
    operation_id="liftSuppression",
    tags=["suppressions"],
    summary="Let somebody be written to again",
)
async def lift_suppression(
    suppression_id: FromPath[str], request: Asked, services: Services
) -> SuppressionView:
    """With a reason; the entry stays, another lifts it. Complaints and STOP need evidence of new consent."""
    lifting = decode_body(await body_of(request), _lifting)
    actor, now_us, ledger = request.user.actor, services.clock.now_us(), Suppressions(services.records.vault)
    source = Source.STAFF if lifting.evidence is None else Source.OPT_IN

    def act(transaction: StoreTransaction) -> Entry:
        return ledger.lift(
            transaction, suppression_id, source, actor=actor, now_us=now_us, reason=lifting.reason,
            evidence=lifting.evidence, wording=lifting.wording,
        )  # fmt: skip

    return suppression_view(await _acting(services, act))


HANDLERS: Final = (
    list_suppressions,
    search_suppressions,
    suppress_address,
    get_suppression,
    lift_suppression,
)


def suppression_view(entry: Entry) -> SuppressionView:
    """An entry as the API shows it."""
    return SuppressionView(
        suppression_id=entry.id, channel=entry.channel,
        recipient=None if entry.address is None else mask(entry.address), topic=entry.topic, state=entry.state,
        source=entry.source, evidence=entry.evidence, wording=entry.wording, reason=entry.reason, actor=entry.actor,
        at=to_datetime(entry.at_us),
    )  # fmt: skip


def _key(ledger: Suppressions, recipient: str) -> str:
    try:
        return ledger.key(channel_of(recipient), recipient)
    except AddressInvalid as error:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("recipient", str(error))]) from None


async def _page(services: WebServices, before: int, count: int, wanted: dict[str, Any]) -> SuppressionPage:
    ledger = Suppressions(services.records.vault)
    found = await services.store.read(lambda t: ledger.page(t, before, count + 1, **wanted))
    shown = found[:count]
    return SuppressionPage(
        [suppression_view(one) for one in shown], str(shown[-1].seq) if len(found) > count else None
    )


async def _acting(services: WebServices, act: Callable[[StoreTransaction], T]) -> T:
    try:
        return await services.store.write(act)
    except AddressInvalid as error:
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem("recipient", str(error))]) from None
    except NoSuchEntry:
        raise _not_found() from None
    except OnlyThePerson:
        raise Refusal(
            ONLY_THE_PERSON,
            "They complained or said STOP: send `evidence` of their new consent, or wait for START.",
        ) from None


def _not_found() -> Refusal:
    return Refusal(NOT_FOUND, "There is no such entry, or it no longer holds.")

"""`/api/messages`: writing, reviewing, sending and following messages.

Recipients are masked and contents left out everywhere but under `/content`, whose every reading is audited. A message's
ETag is its version: `If-Match` says what the client has seen, and is required where that matters.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.jobs.models import Moment
from postroom.kit.clock import to_datetime, to_us
from postroom.kit.redact import mask
from postroom.messages import Changes, Draft, MessageRecord, MessageState
from postroom.messages.drafts import is_zone, local_moment
from postroom.messages.states import moves_of_people
from postroom.messages.workflow import NOTE_CHARS_MAX
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.paging import LIMIT_DEFAULT, LIMIT_MAX, read_choice, read_cursor, read_limit
from postroom.web.people import etag, person_of, seen_version
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Refusal

STATES: Final = tuple(MessageState)
CHANNELS: Final = ("email", "sms", "portal")
CREATED: Final = 201


LOOKS_UP: Final = [needs(Permission.LOOK_UP)]


class MessageView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message's record."""

    message_id: str
    channel: str
    """`email`, `sms` or `portal`."""
    recipient: str
    """Masked."""
    status: str
    version: int
    """Counts every change; the ETag."""
    priority: str
    author: str | None
    """Who wrote it; null when a program enqueued it."""
    topic: str | None
    health_data: bool
    policy: str | None
    """What happens when it is unknown whether it left: `at_most_once`, `at_least_once`, or null for the setting."""
    template: str | None
    template_version: int | None
    zone: str | None
    scheduled_for: datetime | None
    expires_at: datetime | None
    submitted_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    approval_ends_at: datetime | None
    job_id: str | None
    """The job that is sending it, or did."""
    provider: str | None
    provider_id: str | None
    """What the provider calls it."""
    code: str | None
    reason: str | None
    possible_duplicate: bool
    complained: bool
    opened: bool
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    actions: Sequence[str]
    """What the table of states allows now; roles may allow less."""


class MessagePage(msgspec.Struct, frozen=True):
    """Some messages, newest first."""

    messages: Sequence[MessageView]
    next: str | None
    """The `before` of the next page; null on the last."""


class ContentView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a message says, and to whom."""

    message_id: str
    version: int
    recipient: str
    subject: str | None
    content: str
    html: str | None
    review_note: str | None
    content_sha256: str | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One call to a provider."""

    delivery_id: str
    provider: str
    state: str
    verdict: str | None
    """Null while the call goes on, or when its worker died."""
    code: str | None
    detail: str | None
    provider_id: str | None
    possible_duplicate: bool
    claimed_at: datetime
    ended_at: datetime | None


class EventView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that happened to a message."""

    seq: int
    at: datetime
    kind: str
    """`created`, `edited`, `moved`, `refused`, `claimed`, `concluded`, `reported` or `viewed`."""
    before: str | None
    after: str | None
    actor: str
    delivery_id: str | None
    provider: str | None
    code: str | None
    reason: str | None
    details: dict[str, Any]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened to a message, oldest first, and every call to a provider."""

    events: Sequence[EventView]
    deliveries: Sequence[DeliveryView]
    next: str | None
    """The `after` of the next page; null on the last."""


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reviewer has to say."""

    note: Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)] | None = None


class Plan(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When it is to leave: a moment with an offset, or a local one with a zone; null for as soon as it may."""

    send_at: str | None = None
    zone: str | None = None


class SendAt(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When it is to leave; left out: when it was planned, or at once."""

    send_at: Moment | None = None


_draft = msgspec.json.Decoder(Draft)
_changes = msgspec.json.Decoder(Changes)
_note = msgspec.json.Decoder(Remark)
_plan = msgspec.json.Decoder(Plan)
_send_at = msgspec.json.Decoder(SendAt)

Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[
    str | None,
    QueryParameter(
        description=f"How many: 1 to {LIMIT_MAX}, by default {LIMIT_DEFAULT}.",
        schema_extra={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
    ),
]


@post(
    "/api/messages",
    status_code=CREATED,
    operation_id="draftMessage",
    tags=["messages"],
    summary="Write a draft",
)
async def draft_message(request: Asked, services: Services) -> Response[MessageView]:
    """A draft, from free text or from a template with variables. Nothing is sent."""
    draft = decode_body(await body_of(request), _draft)
    made = await services.desk.draft(person_of(request), draft, services.fill(draft))
    location = {"location": f"/api/messages/{made.id}"}
    return Response(message_view(made), status_code=CREATED, headers={**location, "etag": etag(made.version)})


@get(
    "/api/messages",
    guards=LOOKS_UP,
    operation_id="listMessages",
    tags=["messages"],
    summary="List messages, newest first",
)
async def list_messages(
    services: Services,
    status: Annotated[
        str | None,
        QueryParameter(description="Only those in this state.", schema_extra={"enum": list(STATES)}),
    ] = None,
    channel: Annotated[str | None, QueryParameter(description="Only those of this channel.")] = None,
    author: Annotated[str | None, QueryParameter(description="Only those that this person wrote.")] = None,
    recipient: Annotated[
        str | None, QueryParameter(description="Only those to exactly this address or number.")
    ] = None,
    before: Before = None,
    limit: Limit = None,
) -> MessagePage:
    """Look through messages page by page."""
    count = read_limit(limit)
    key = None if recipient is None else services.records.vault.index(recipient)
    values = {
        "status": read_choice("status", status, STATES), "channel": read_choice("channel", channel, CHANNELS),
        "author": author, "recipient_key": key, "before": read_cursor(before), "limit": count + 1,
    }  # fmt: skip

    def look(transaction: StoreTransaction) -> list[MessageRecord]:
        return [
            services.records.opened(transaction, row) for row in transaction.all(_listing(values), **values)
        ]

    found = await services.store.read(look)
    more = len(found) > count
    return MessagePage(
        [message_view(one) for one in found[:count]], str(found[count - 1].seq) if more else None
    )


@get(
    "/api/reviews",
    guards=LOOKS_UP,
    operation_id="listReviews",
    tags=["messages"],
    summary="What waits for a reviewer, oldest first",
)
async def list_reviews(services: Services, limit: Limit = None) -> MessagePage:
    """Messages under review, those that wait longest first."""
    count = read_limit(limit)

    def look(transaction: StoreTransaction) -> list[MessageRecord]:
        return [
            services.records.opened(transaction, row) for row in transaction.all("list_reviews", limit=count)
        ]

    return MessagePage([message_view(one) for one in await services.store.read(look)], None)


@get(
    "/api/messages/{message_id:str}",
    guards=LOOKS_UP,
    operation_id="getMessage",
    tags=["messages"],
    summary="Where a message is",
)
async def get_message(message_id: FromPath[str], services: Services) -> Response[MessageView]:
    """The message's record; its ETag is what `If-Match` wants."""
    return _answer(await _found(services, message_id))


@get(
    "/api/messages/{message_id:str}/content",
    guards=LOOKS_UP,
    operation_id="readMessage", tags=["messages"], summary="What a message says, and to whom",
)  # fmt: skip
async def read_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[ContentView]:
    """For its author and for who may read contents; every reading is audited."""
    found = await services.desk.read(person_of(request), message_id)
    view = ContentView(
        message_id=found.id, version=found.version, recipient=found.recipient, subject=found.subject,
        content=found.content, html=found.html, review_note=found.review_note, content_sha256=found.content_sha256,
    )  # fmt: skip
    return Response(view, headers={"etag": etag(found.version)})


@get(
    "/api/messages/{message_id:str}/events",
    guards=LOOKS_UP,
    operation_id="messageEvents", tags=["messages"], summary="What happened to a message",
)  # fmt: skip
async def message_events(
    message_id: FromPath[str],
    services: Services,
    after: Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")] = None,
    limit: Limit = None,
) -> Timeline:
    """Its timeline, oldest first: who did what, every call to a provider and what it reported."""
    count, first = read_limit(limit), 0 if after is None else read_cursor(after)

    def look(transaction: StoreTransaction) -> Timeline | None:
        if transaction.one("find_message_state", id=message_id) is None:
            return None
        rows = transaction.all("list_message_events", message_id=message_id, after=first, limit=count + 1)
        calls = transaction.all("list_deliveries", message_id=message_id)
        return Timeline(
            events=[_event(row) for row in rows[:count]], deliveries=[_delivery(row) for row in calls],
            next=str(rows[count - 1]["seq"]) if len(rows) > count else None,
        )  # fmt: skip

    found = await services.store.read(look)
    if found is None:
        raise Refusal(NOT_FOUND, "There is no message with that id.")
    return found


@patch(
    "/api/messages/{message_id:str}", operation_id="editMessage", tags=["messages"], summary="Edit a message"
)
async def edit_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """Change what it says, to whom, or how it is sent. What was approved loses its approval. Needs `If-Match`."""
    changes = decode_body(await body_of(request), _changes)
    version = seen_version(request, required=True)
    return _answer(await services.desk.edit(person_of(request), message_id, changes, version))


def _act(path: str, operation: str, summary: str) -> post:
    return post(
        f"/api/messages/{{message_id:str}}/{path}", status_code=200, operation_id=operation, tags=["messages"],
        summary=summary,
    )  # fmt: skip


@_act("submit", "submitMessage", "Ask for a review")
async def submit_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """A draft or a rejected message goes to the reviewers."""
    version = seen_version(request, required=False)
    return _answer(await services.desk.submit(person_of(request), message_id, version))


@_act("approve", "approveMessage", "Approve a message")
async def approve_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """It is sent at once, or when it was planned. The approval is of this version; needs `If-Match`."""
    note = await _read_note(request)
    version = seen_version(request, required=True)
    return _answer(await services.desk.approve(person_of(request), message_id, version, note))


@_act("reject", "rejectMessage", "Reject a message")
async def reject_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """It goes back to its author, with a note. Needs `If-Match`."""
    note = await _read_note(request)
    version = seen_version(request, required=True)
    return _answer(await services.desk.reject(person_of(request), message_id, version, note))


@_act("send", "sendMessage", "Send a message without a review")
async def send_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """At once, at `sendAt`, or when it was planned; for who may send directly. Needs `If-Match`."""
    body = await body_of(request)
    given = decode_body(body, _send_at).send_at if body.strip() else None
    version = seen_version(request, required=True)
    send_at_us = None if given is None else to_us(given)
    return _answer(await services.desk.send(person_of(request), message_id, version, send_at_us))


@_act("schedule", "scheduleMessage", "Plan when a message is to leave")
async def schedule_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """`sendAt` with an offset, or a local time with `zone`; null takes the plan away. Needs `If-Match`."""
    plan = decode_body(await body_of(request), _plan)
    version = seen_version(request, required=True)
    send_at_us = _planned(plan)
    return _answer(
        await services.desk.schedule(person_of(request), message_id, version, send_at_us, plan.zone)
    )


@_act("cancel", "cancelMessage", "Call a message off")
async def cancel_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """While it has not left."""
    version = seen_version(request, required=False)
    return _answer(await services.desk.cancel(person_of(request), message_id, version))


@_act("resend", "resendMessage", "Send a message once more")
async def resend_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """After it failed, bounced, expired, or was never confirmed; the last is marked as a possible duplicate."""
    version = seen_version(request, required=False)
    return _answer(await services.desk.resend(person_of(request), message_id, version))


HANDLERS: Final = (
    draft_message, list_messages, list_reviews, get_message, read_message, message_events, edit_message,
    submit_message, approve_message, reject_message, send_message, schedule_message, cancel_message, resend_message,
)  # fmt: skip


def message_view(record: MessageRecord) -> MessageView:
    """The record as anybody who may look it up sees it."""
    return MessageView(
        message_id=record.id, channel=record.channel, recipient=mask(record.recipient), status=record.status,
        version=record.version, priority=record.priority, author=record.author, topic=record.topic,
        health_data=record.health_data, policy=record.policy, template=record.template,
        template_version=record.template_version, zone=record.zone, scheduled_for=moment(record.send_at_us),
        expires_at=moment(record.expires_us), submitted_at=moment(record.submitted_us),
        approved_by=record.approved_by, approved_at=moment(record.approved_us),
        approval_ends_at=moment(record.approval_ends_us), job_id=record.job_id, provider=record.provider,
        provider_id=record.provider_id, code=record.code, reason=record.reason,
        possible_duplicate=record.possible_duplicate, complained=record.complained, opened=record.opened,
        created_at=to_datetime(record.created_us), updated_at=to_datetime(record.updated_us),
        sent_at=moment(record.sent_us), delivered_at=moment(record.delivered_us),
        actions=moves_of_people(record.status),
    )  # fmt: skip


def _answer(record: MessageRecord) -> Response[MessageView]:
    return Response(message_view(record), headers={"etag": etag(record.version)})


async def _found(services: Services, message_id: str) -> MessageRecord:
    record = await services.store.read(lambda transaction: services.records.find(transaction, message_id))
    if record is None:
        raise Refusal(NOT_FOUND, "There is no message with that id.")
    return record


def _listing(values: dict[str, Any]) -> str:
    """The query whose index fits the most telling filter."""
    for name in ("recipient_key", "author", "status"):
        if values[name] is not None:
            return f"list_messages_by_{name}"
    return "list_messages"


async def _read_note(request: Asked) -> str | None:
    body = await body_of(request)
    return decode_body(body, _note).note if body.strip() else None


def _planned(plan: Plan) -> int | None:
    if plan.zone is not None and not is_zone(plan.zone):
        raise _invalid("zone", "must be an IANA time zone, for example Europe/Berlin")
    if plan.send_at is None:
        return None
    found = local_moment(plan.send_at, plan.zone) if plan.zone else _absolute(plan.send_at)
    if found is None:
        reason = (
            "must be a date and time with an offset (2026-01-31T08:00:00Z), or a local one together with zone"
        )
        raise _invalid("sendAt", reason)
    return found


def _absolute(text: str) -> int | None:
    try:
        return to_us(msgspec.convert(text, Moment))
    except (msgspec.ValidationError, ValueError):
        return None


def _invalid(field: str, reason: str) -> Refusal:
    return Refusal(REQUEST_INVALID, errors=[FieldProblem(field, reason)])


def _event(row: dict[str, Any]) -> EventView:
    names = ("seq", "kind", "before", "after", "actor", "delivery_id", "provider", "code", "reason")
    details = msgspec.json.decode(row["details"])
    return EventView(at=to_datetime(row["at_us"]), details=details, **{name: row[name] for name in names})


def _delivery(row: dict[str, Any]) -> DeliveryView:
    names = ("provider", "state", "verdict", "code", "detail", "provider_id")
    return DeliveryView(
        delivery_id=row["id"], possible_duplicate=bool(row["possible_duplicate"]),
        claimed_at=to_datetime(row["claimed_us"]), ended_at=moment(row["ended_us"]),
        **{name: row[name] for name in names},
    )  # fmt: skip

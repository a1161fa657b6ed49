"""`/api/messages`: writing, reviewing, sending and following messages.

Recipients are masked and contents left out everywhere but under `/content`, whose every reading is audited. A message's
ETag is its version: `If-Match` says what the client has seen, and is required where that matters.
"""

from typing import Annotated, Final

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, QueryParameter

from postroom.jobs.models import Moment
from postroom.kit.clock import to_us
from postroom.messages import Changes, Draft, MessageRecord
from postroom.messages.drafts import is_zone, local_moment
from postroom.messages.workflow import NOTE_CHARS_MAX
from postroom.web.api.message_lists import LOOKS_UP, Limit
from postroom.web.api.message_reading import EarlierViews, earlier_views, find_message, find_timeline
from postroom.web.api.message_views import (
    ContentView,
    MessageView,
    Timeline,
    message_view,
)
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.paging import read_cursor, read_limit
from postroom.web.people import etag, person_of, seen_version
from postroom.web.problems import REQUEST_INVALID, FieldProblem, Refusal

CREATED: Final = 201


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


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody has found out about a message whose fate was unknown."""

    arrived: bool
    note: Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)] | None = None


_draft = msgspec.json.Decoder(Draft)
_changes = msgspec.json.Decoder(Changes)
_note = msgspec.json.Decoder(Remark)
_plan = msgspec.json.Decoder(Plan)
_send_at = msgspec.json.Decoder(SendAt)
_finding = msgspec.json.Decoder(Finding)


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
    "/api/messages/{message_id:str}",
    guards=LOOKS_UP,
    operation_id="getMessage",
    tags=["messages"],
    summary="Where a message is",
)
async def get_message(message_id: FromPath[str], services: Services) -> Response[MessageView]:
    """The message's record; its ETag is what `If-Match` wants."""
    return _answer(await find_message(services, message_id))


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
    "/api/messages/{message_id:str}/versions",
    guards=LOOKS_UP,
    operation_id="messageVersions", tags=["messages"], summary="What a message said before each edit",
)  # fmt: skip
async def message_versions(message_id: FromPath[str], request: Asked, services: Services) -> EarlierViews:
    """Oldest first, for its author and for who may read contents; the reading is audited."""
    return earlier_views(await services.desk.compare(person_of(request), message_id))


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
    first = 0 if after is None else read_cursor(after)
    return await find_timeline(services, message_id, first, read_limit(limit))


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


@_act("resolve", "resolveMessage", "Say what became of a message")
async def resolve_message(
    message_id: FromPath[str], request: Asked, services: Services
) -> Response[MessageView]:
    """Of one that is uncertain or unconfirmed, when a person knows: it arrived, or it did not."""
    finding = decode_body(await body_of(request), _finding)
    version = seen_version(request, required=False)
    person = person_of(request)
    return _answer(await services.desk.resolve(person, message_id, finding.arrived, version, finding.note))


HANDLERS: Final = (
    draft_message, get_message, read_message, message_versions, message_events, edit_message,
    submit_message, approve_message, reject_message, send_message, schedule_message, cancel_message, resend_message,
    resolve_message,
)  # fmt: skip


def _answer(record: MessageRecord) -> Response[MessageView]:
    return Response(message_view(record), headers={"etag": etag(record.version)})


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

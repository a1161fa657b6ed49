"""Messages as the API shows them: recipients masked, contents left out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from postroom.kit.clock import to_datetime
from postroom.kit.redact import mask
from postroom.messages import MessageRecord
from postroom.messages.states import moves_of_people
from postroom.web.moments import moment


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


def event_view(row: dict[str, Any]) -> EventView:
    """A row of the timeline."""
    names = ("seq", "kind", "before", "after", "actor", "delivery_id", "provider", "code", "reason")
    details = msgspec.json.decode(row["details"])
    return EventView(at=to_datetime(row["at_us"]), details=details, **{name: row[name] for name in names})


def delivery_view(row: dict[str, Any]) -> DeliveryView:
    """A row of the calls."""
    names = ("provider", "state", "verdict", "code", "detail", "provider_id")
    return DeliveryView(
        delivery_id=row["id"], possible_duplicate=bool(row["possible_duplicate"]),
        claimed_at=to_datetime(row["claimed_us"]), ended_at=moment(row["ended_us"]),
        **{name: row[name] for name in names},
    )  # fmt: skip

"""What a `Queue` answers: values, and how they are made of what a broker gives."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from postroom.kit.clock import to_datetime
from postroom.kit.redact import Discreet
from postroom.queues import content
from postroom.queues.broker import PRIORITY_NAMES, Backlog, Browsed, Leased, Sent
from postroom.queues.errors import ConfigurationError
from postroom.queues.message import DeadLettered, read_metadata


class QueueMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits: messages that are not acknowledged, whether ready, delayed or in flight."""

    backlog_count: int
    backlog_bytes: int
    oldest_message_timestamp: datetime | None
    """When the oldest of them was sent (UTC); best effort, None when there is none."""


class SendResult(msgspec.Struct, frozen=True):
    """A message is stored."""

    id: str
    """32 lower-case hex digits; for a duplicate, the id of the message that was stored first."""
    duplicate: bool
    """Whether its deduplication id was known, so that nothing was stored."""
    backlog: Backlog

    @property
    def metrics(self) -> QueueMetrics:
        """The backlog as it was before this message."""
        return read_metrics(self.backlog)


class PeekedMessage(Discreet, frozen=True, kw_only=True):
    """A message looked at without touching it. Its repr does not show the body."""

    shown: ClassVar[tuple[str, ...]] = ("id", "attempts", "content_type", "priority", "in_flight")

    id: str
    timestamp: datetime
    body: Any
    """Bytes as they are stored where they do not fit the content type."""
    content_type: str
    attempts: int
    """Deliveries so far."""
    priority: str
    available_at: datetime
    in_flight: bool
    dead_lettered: DeadLettered | None
    size: int = 0
    """Bytes of the body."""
    trace: Mapping[str, str] | None = None
    """Headers that continue the sender's trace."""


class PulledMessage(Discreet, frozen=True, kw_only=True):
    """A message that a pull consumer holds until its lease ends. Its repr does not show the body."""

    shown: ClassVar[tuple[str, ...]] = ("id", "attempts", "content_type", "priority")

    id: str
    lease_id: str
    timestamp: datetime
    body: Any
    """Bytes as they are stored where they do not fit the content type."""
    content_type: str
    attempts: int
    priority: str
    dead_lettered: DeadLettered | None


class PulledBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `pull`."""

    messages: Sequence[PulledMessage]
    message_backlog_count: int


class Retry(msgspec.Struct, frozen=True):
    """Give a pulled message back, to come again after so many seconds (else the consumer's `retry_delay`)."""

    lease_id: str
    delay_seconds: float | None = None


class SettleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a pull consumer's settlement did."""

    ack_count: int
    retry_count: int
    warnings: Mapping[str, str]
    """Lease id to what was odd about it, for example that it had ended."""


def peeked(one: Browsed) -> PeekedMessage:
    """The outside of a browsed message."""
    metadata = read_metadata(one.meta)
    # fmt: off
    return PeekedMessage(
        id=one.id, timestamp=to_datetime(one.sent_us), body=content.decode_or_raw(one.body, one.content_type),
        content_type=one.content_type, attempts=one.attempts, priority=PRIORITY_NAMES[one.priority],
        available_at=to_datetime(one.due_us), in_flight=one.leased, dead_lettered=metadata.dead, size=len(one.body),
        trace=metadata.trace,
    )
    # fmt: on


def make_lease_id(one: Leased) -> str:
    """An opaque, URL-safe name for a lease."""
    return (
        base64.urlsafe_b64encode(f"{one.key}.{one.token}.{one.attempts}.{one.id}".encode())
        .decode()
        .rstrip("=")
    )


def parse_lease_id(lease_id: str) -> Leased:
    """What `make_lease_id` wrote, without the message's contents; raises ConfigurationError for anything else."""
    try:
        text = base64.urlsafe_b64decode(lease_id + "=" * (-len(lease_id) % 4)).decode()
        # A broker's key may be a text, also one with dots.
        key, token, attempts, message_id = text.rsplit(".", 3)
        return Leased(int(key) if key.isdigit() else key, int(token), message_id, b"", "bytes", 1, 0, int(attempts), None)
    except (ValueError, TypeError):
        raise ConfigurationError(
            "not a lease id; pass the lease_id of a pulled message as it is", key="lease_id"
        ) from None


def read_retry(given: Retry | str | Mapping[str, Any]) -> Retry:
    """A retry given in any of its three forms."""
    if isinstance(given, Retry):
        return given
    if isinstance(given, str):
        return Retry(given)
    return Retry(given["lease_id"], given.get("delay_seconds"))


def pulled(one: Leased) -> PulledMessage:
    """The outside of a leased message."""
    # fmt: off
    return PulledMessage(
        id=one.id, lease_id=make_lease_id(one), timestamp=to_datetime(one.sent_us),
        body=content.decode_or_raw(one.body, one.content_type), content_type=one.content_type, attempts=one.attempts,
        priority=PRIORITY_NAMES[one.priority], dead_lettered=read_metadata(one.meta).dead,
    )
    # fmt: on


def read_metrics(backlog: Backlog) -> QueueMetrics:
    """The outside of a backlog."""
    oldest = None if backlog.oldest_us is None else to_datetime(backlog.oldest_us)
    return QueueMetrics(
        backlog_count=backlog.messages, backlog_bytes=backlog.bytes, oldest_message_timestamp=oldest
    )


def send_results(sent: Sent) -> list[SendResult]:
    """One result for each message, in order."""
    return [SendResult(id_, index in sent.duplicates, sent.backlog) for index, id_ in enumerate(sent.ids)]

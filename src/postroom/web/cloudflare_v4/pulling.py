"""Pulling and acknowledging. Hot: bodies go through as they are stored."""

from base64 import b64encode
from typing import Any, Final

import msgspec

from postroom.cloudflare import Entry
from postroom.queues import ConfigurationError, Retry
from postroom.queues.broker import Browsed, Leased
from postroom.queues.limits import (
    BATCH_COUNT_MAX,
    DELAY_SECONDS_MAX,
    PULL_BATCH_SIZE_DEFAULT,
    VISIBILITY_MS_MAX,
)
from postroom.queues.message import read_metadata
from postroom.queues.results import make_lease_id
from postroom.web.cloudflare_v4.call import Call, decode
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import BODY_REFUSED, MESSAGE_METADATA, UNNUMBERED, ApiError
from postroom.web.cloudflare_v4.queues import figures

CONTENT_TYPE: Final = "CF-Content-Type"
DEAD_QUEUE, DEAD_REASON, DEAD_ATTEMPTS = (
    f"Postroom-Dead-Letter-{name}" for name in ("Queue", "Reason", "Attempts")
)
"""Of our own: why and whence a message came to a dead-letter queue."""


class _Pull(msgspec.Struct, frozen=True):
    batch_size: int | float | None = None
    visibility_timeout_ms: int | float | None = None
    visibility_timeout: int | float | None = None
    """As older examples write it; milliseconds too."""


class _Lease(msgspec.Struct, frozen=True):
    lease_id: str
    delay_seconds: int | float | None = None


class _Ack(msgspec.Struct, frozen=True):
    acks: list[_Lease] = []
    retries: list[_Lease] = []


class Pulled(msgspec.Struct, frozen=True):
    """A message of a pull."""

    id: str
    body: str
    timestamp_ms: int
    attempts: int
    lease_id: str
    metadata: dict[str, str]


class _AckResult(msgspec.Struct, frozen=True, rename="camel"):
    """The one answer in camel case."""

    ack_count: int
    retry_count: int
    warnings: dict[str, str]


_pull = msgspec.json.Decoder(_Pull)
_ack = msgspec.json.Decoder(_Ack)


async def pull(call: Call) -> Answer:
    """POST /messages/pull."""
    asked = decode(call.body, _pull, code=BODY_REFUSED)
    entry = await _pulled(call)
    size = whole(asked.batch_size, "batch_size", 1, BATCH_COUNT_MAX)
    given = asked.visibility_timeout if asked.visibility_timeout_ms is None else asked.visibility_timeout_ms
    visibility = whole(given, "visibility_timeout_ms", 0, VISIBILITY_MS_MAX)
    leased = await entry.queue.lease(
        batch_size=PULL_BATCH_SIZE_DEFAULT if size is None else size,
        # 0 is a lease that has ended already; the shortest here is a millisecond.
        visibility_timeout_ms=None if visibility is None else max(visibility, 1),
    )
    backlog = await call.services.queues.broker.backlog(entry.name)
    messages = [
        Pulled(one.id, text_of(one), one.sent_us // 1000, one.attempts, make_lease_id(one), metadata_of(one))
        for one in leased
    ]
    return Answer(
        {
            "message_backlog_count": backlog.messages,
            "messages": messages,
            "metadata": {"metrics": figures(backlog)},
        }
    )


async def ack(call: Call) -> Answer:
    """POST /messages/ack."""
    asked = decode(call.body, _ack, code=BODY_REFUSED)
    entry = await _pulled(call)
    retries = [Retry(one.lease_id, _delay(one.delay_seconds)) for one in asked.retries]
    try:
        done = await entry.queue.settle(acks=[one.lease_id for one in asked.acks], retries=retries)
    except ConfigurationError as error:
        raise ApiError(400, BODY_REFUSED, str(error)) from None
    return Answer(_AckResult(done.ack_count, done.retry_count, dict(done.warnings)))


def text_of(one: Leased | Browsed) -> str:
    """A body on the wire: text as it is, JSON and bytes in Base64 (RFC 4648)."""
    if one.content_type == "text":
        return one.body.decode("utf-8", "replace")
    return b64encode(one.body).decode()


def metadata_of(one: Leased | Browsed) -> dict[str, str]:
    """What goes with a message."""
    found = {CONTENT_TYPE: one.content_type}
    dead = read_metadata(one.meta).dead if one.meta else None
    if dead is not None:
        found |= {DEAD_QUEUE: dead.queue, DEAD_REASON: dead.reason, DEAD_ATTEMPTS: str(dead.attempts)}
    return found


def whole(given: Any, name: str, low: int, high: int) -> int | None:
    """A whole number of a body, also where it is written with a point; raises ApiError."""
    if given is None:
        return None
    if given != int(given) or not low <= given <= high:
        raise ApiError(400, BODY_REFUSED, f"{name} must be a whole number from {low} to {high}")
    return int(given)


async def _pulled(call: Call) -> Entry:
    entry = await call.entry(data=True)
    if not entry.pulls:
        raise ApiError(
            400, UNNUMBERED,
            f"messages cannot be pulled unless http_pull mode is enabled: add it to queue '{entry.name}' "
            f"(`wrangler queues consumer http add {entry.name}`)",
        )  # fmt: skip
    return entry


def _delay(given: float | None) -> int | None:
    if given is not None and not 0 <= given <= DELAY_SECONDS_MAX:
        raise ApiError(400, MESSAGE_METADATA, f"delay_seconds must be from 0 to {DELAY_SECONDS_MAX}")
    return None if given is None else int(given)

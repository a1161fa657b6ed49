"""Pushing: one message or a batch, stored durably when it is answered. Hot."""

from typing import Any, Final

import msgspec

from postroom.queues import ConfigurationError, MessageSendRequest
from postroom.queues.limits import BATCH_COUNT_MAX, DELAY_SECONDS_MAX
from postroom.web.cloudflare_v4.call import Call, decode
from postroom.web.cloudflare_v4.envelope import Answer
from postroom.web.cloudflare_v4.errors import (
    BATCH_COUNT,
    BATCH_DELAY,
    JSON_INVALID,
    MESSAGE_METADATA,
    ApiError,
)
from postroom.web.cloudflare_v4.queues import figures

PUSHED: Final = ("json", "text")
"""Content types that go over HTTP."""


class _Message(msgspec.Struct, frozen=True):
    body: Any
    content_type: str | None = None
    delay_seconds: int | float | None = None


class _Batch(msgspec.Struct, frozen=True):
    messages: list[_Message]
    delay_seconds: int | float | None = None


_message = msgspec.json.Decoder(_Message)
_batch = msgspec.json.Decoder(_Batch)


async def push(call: Call) -> Answer:
    """POST /messages."""
    return await _send(call, [decode(call.body, _message)], None)


async def push_batch(call: Call) -> Answer:
    """POST /messages/batch."""
    given = decode(call.body, _batch)
    if not given.messages:
        raise ApiError(400, JSON_INVALID, "A batch requires at least one message")
    if len(given.messages) > BATCH_COUNT_MAX:
        raise ApiError(
            400,
            BATCH_COUNT,
            f"batch message count of {len(given.messages)} exceeds limit of {BATCH_COUNT_MAX}",
        )
    return await _send(call, given.messages, _delay(given.delay_seconds, BATCH_DELAY))


async def _send(call: Call, messages: list[_Message], delay_seconds: int | None) -> Answer:
    entry = await call.entry(data=True)
    requests = [_request(message) for message in messages]
    try:
        (first, *_) = await entry.queue.send_batch(requests, delay_seconds=delay_seconds)
    except ConfigurationError as error:
        raise ApiError(400, MESSAGE_METADATA, str(error)) from None
    return Answer({"metadata": {"metrics": figures(first.backlog)}})


def _request(message: _Message) -> MessageSendRequest:
    content_type = message.content_type or "json"
    if content_type not in PUSHED:
        raise ApiError(
            400,
            MESSAGE_METADATA,
            f"content_type must be one of: {', '.join(PUSHED)}; others cannot go over HTTP",
        )
    return MessageSendRequest(message.body, content_type, _delay(message.delay_seconds, MESSAGE_METADATA))


def _delay(given: float | None, code: int) -> int | None:
    """Whole seconds: what a Worker does with a fraction."""
    if given is None:
        return None
    if not 0 <= given <= DELAY_SECONDS_MAX:
        raise ApiError(400, code, f"delay_seconds must be from 0 to {DELAY_SECONDS_MAX}")
    return int(given)

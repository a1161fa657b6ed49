"""What surrounds every answer: `{"success", "errors", "messages", "result", "result_info"}`."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroom.web.asgi import Send
from postroom.web.cloudflare_v4.errors import error_of

JSON: Final = (b"content-type", b"application/json")


class ResultInfo(msgspec.Struct, frozen=True):
    """Where a page stands."""

    page: int
    per_page: int
    count: int
    total_count: int
    total_pages: int


class Notice(msgspec.Struct, frozen=True):
    """One of `errors` or `messages`."""

    code: int
    message: str


class Answer(NamedTuple):
    """A success."""

    result: Any = None
    info: ResultInfo | None = None
    messages: Sequence[Notice] = ()


class _Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    success: bool
    errors: Sequence[Notice]
    messages: Sequence[Notice]
    result: Any
    result_info: ResultInfo | None = None


_encode = msgspec.json.Encoder().encode


async def respond(send: Send, answer: Answer) -> None:
    """Send a success."""
    body = _encode(_Envelope(True, (), answer.messages, answer.result, answer.info))
    await _send(send, 200, body, ())


async def refuse(send: Send, error: Exception) -> None:
    """Send what an exception means."""
    found = error_of(error)
    body = _encode(_Envelope(False, (Notice(found.code, found.message),), (), None))
    headers = [(name.encode(), value.encode()) for name, value in found.headers.items()]
    await _send(send, found.kind.status, body, headers)


async def _send(send: Send, status: int, body: bytes, more: Sequence[tuple[bytes, bytes]]) -> None:
    headers = [JSON, (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

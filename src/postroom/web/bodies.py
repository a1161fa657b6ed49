"""Reading a request's body: bounded, and as JSON whatever its Content-Type says."""

import re
from typing import Final, TypeVar

import msgspec

from postroom.web.asgi import Receive
from postroom.web.problems import MALFORMED, REQUEST_INVALID, TOO_LARGE, FieldProblem, Refusal

T = TypeVar("T")

BODY_BYTES_MAX: Final = 256 * 1024
"""A batch in the queue has at most 256,000 bytes; this leaves room for JSON written loosely."""

WHOLE: Final = "$"
_FLAW = re.compile(r"JSON is malformed: (.+) \(byte (\d+)\)")
_LOCATED = re.compile(r"(.+) - at `\$\.?([\w.\[\]-]*)`", re.DOTALL)


class Disconnected(Exception):
    """The client went away before its request was complete; nobody waits for an answer."""


async def read_body(receive: Receive, declared: bytes | None = None, *, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole body; `declared` is its Content-Length. Raises Refusal when it is too large, and Disconnected."""
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [body], len(body)
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
    if message["type"] != "http.request":
        raise Disconnected
    return b"".join(parts)


def decode_body(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A request's JSON as its model. Raises Refusal without a value in it."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        located = _LOCATED.fullmatch(str(error))
        text, path = located.groups() if located else (str(error), "")
        # Only these texts are sure to name types and limits and no values.
        reason = (
            f"is not valid: {text[0].lower()}{text[1:]}" if text.startswith("Expected ") else "is not known"
        )
        raise Refusal(REQUEST_INVALID, errors=[FieldProblem(path or WHOLE, reason)]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise malformed(body) from None


def malformed(body: bytes) -> Refusal:
    """The answer to what is not JSON: what is wrong and where, without a word of it."""
    return Refusal(MALFORMED, _flaw(body) if body.strip() else "The body is empty.")


def _flaw(body: bytes) -> str:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        located = _FLAW.fullmatch(str(error))
        return f"{located[1].capitalize()} at byte {located[2]}." if located else "It ends too early."
    except UnicodeError:
        return "It is not UTF-8."
    except RecursionError:
        return "It is nested too deeply."
    return ""


def is_json(body: bytes) -> bool:
    """Whether it can be read as JSON at all, whatever it says."""
    try:
        msgspec.json.decode(body)
    except RecursionError:
        return True
    except (msgspec.DecodeError, UnicodeError):
        return False
    return True


def _too_large(limit: int) -> Refusal:
    # The rest of the body is not read, so the connection cannot be used again.
    return Refusal(TOO_LARGE, f"The body may have at most {limit:,} bytes.", headers={"connection": "close"})

"""Content types: how a body becomes bytes and comes back.

`json` (the default), `text` and `bytes` as in Cloudflare's JavaScript API; `v8` is a serialisation of the
JavaScript engine that nothing else can read, so it is refused.
https://developers.cloudflare.com/queues/configuration/javascript-apis/#queuescontenttype
"""

from typing import Any, Final, Literal, get_args

import msgspec

from postroom.queues.errors import ContentTypeError

ContentType = Literal["json", "text", "bytes"]
CONTENT_TYPES: Final[tuple[str, ...]] = get_args(ContentType)

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


def encode(body: Any, content_type: str = "json") -> bytes:
    """The body as it is stored.

    `json` takes what msgspec can encode: the JSON types, and dataclasses, Structs, datetimes (as RFC 3339),
    UUIDs and enums. `text` takes str, `bytes` takes bytes-like objects.
    Raises ContentTypeError when the body does not fit the type.
    """
    if content_type == "json":
        try:
            return _encode_json(body)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            # The encoder's text may quote the body, so only its kind is told.
            raise ContentTypeError(
                f'content type "json" cannot hold this {type(body).__name__}: {type(error).__name__} while encoding'
            ) from None
    if content_type == "text":
        if not isinstance(body, str):
            raise ContentTypeError(f'content type "text" requires a str, but received {type(body).__name__}')
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise ContentTypeError('content type "text" cannot hold lone surrogates') from None
    if content_type == "bytes":
        if not isinstance(body, bytes | bytearray | memoryview):
            raise ContentTypeError(f'content type "bytes" requires bytes, but received {type(body).__name__}')
        return bytes(body)
    raise unsupported(content_type)


def decode(data: bytes, content_type: str) -> Any:
    """The body as it was sent; `data` comes from `encode` with the same type."""
    if content_type == "json":
        return _decode_json(data)
    if content_type == "text":
        return data.decode()
    if content_type == "bytes":
        return data
    raise unsupported(content_type)


def decode_or_raw(data: bytes, content_type: str) -> Any:
    """The body as it was sent, or its bytes as they are stored where they do not fit their content type.

    For looking at many messages at once: one that somebody else broke must not hide the others.
    """
    try:
        return decode(data, content_type)
    except (ValueError, RecursionError, ContentTypeError):
        return data


def unsupported(content_type: object) -> ContentTypeError:
    """The error for a content type that is not one of ours."""
    if content_type == "v8":
        return ContentTypeError(
            'content type "v8" can only be read by Cloudflare Workers (it is the V8 engine\'s own serialisation); '
            'send "json", "text" or "bytes"'
        )
    return ContentTypeError(
        f"unsupported content type {content_type!r}; use one of: {', '.join(CONTENT_TYPES)}"
    )

"""Cross-origin requests: none, unless an origin is listed exactly (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Collection
from typing import Final

from postroom.web.asgi import Header, Scope

METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
HEADERS: Final = b"authorization, content-type, if-match, idempotency-key, x-csrf-token, x-request-id"
EXPOSED: Final = (
    b"etag, location, retry-after, ratelimit, ratelimit-policy, x-request-id, idempotency-replayed"
)
AGE_SECONDS: Final = b"600"


def answer_headers(headers: dict[bytes, bytes], origins: Collection[bytes]) -> tuple[Header, ...]:
    """What an answer to such an origin carries; nothing for others, whose browsers then keep the answer to themselves."""
    origin = headers.get(b"origin")
    if origin is None or origin not in origins:
        return ()
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"Origin"),
    )


def preflight(
    scope: Scope, headers: dict[bytes, bytes], origins: Collection[bytes]
) -> tuple[Header, ...] | None:
    """What a preflight's answer has besides `answer_headers`; None when it is none, or not from a listed origin."""
    if scope["method"] != "OPTIONS" or b"access-control-request-method" not in headers:
        return None
    if not answer_headers(headers, origins):
        return None
    return (
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", HEADERS),
        (b"access-control-max-age", AGE_SECONDS),
    )

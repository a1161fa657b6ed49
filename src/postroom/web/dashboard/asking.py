"""Asking the API's own handlers from a page, with a body made of a form: the same checks, record and errors."""

from typing import Any, cast

import msgspec
from litestar import Request

from postroom.web.dependencies import Asked

_encode = msgspec.json.Encoder().encode


def with_body(request: Asked, body: dict[str, Any]) -> Asked:
    """The same request by the same person, as if it had come with this body as JSON; what is None is left out."""
    data = _encode({name: value for name, value in body.items() if value is not None})
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in (b"content-length", b"content-type")
    ]
    headers += [(b"content-length", b"%d" % len(data)), (b"content-type", b"application/json")]
    scope = cast(Any, {**request.scope, "headers": headers})
    # Litestar keeps what it has read of a request in its scope.
    scope.pop("_ls_connection_state", None)
    scope["state"] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    return Request(scope, receive=cast(Any, receive))

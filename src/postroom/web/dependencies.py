"""What Litestar hands to handlers, and what they ask of a request."""

from typing import Any, TypeAlias, cast

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from postroom.web.asgi import Receive
from postroom.web.auth import Identity
from postroom.web.bodies import read_body
from postroom.web.services import WebServices

Services: TypeAlias = NamedDependency[SkipValidation[WebServices]]
"""The parameter `services` of a handler; provided once, in `app`."""

Asked: TypeAlias = Request[Identity, Any, Any]
"""A request; its `user` is who asks."""


async def body_of(request: Asked) -> bytes:
    """The bytes of a request; raises what `read_body` raises."""
    declared = request.headers.get("content-length", "").encode()
    return await read_body(cast(Receive, request.receive), declared)

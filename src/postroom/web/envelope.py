"""What every answer carries besides itself: an id of the request and headers that keep browsers careful."""

import re
from typing import Final

from postroom.kit.ids import new_id
from postroom.web.asgi import Header, Message, Send

REQUEST_ID: Final = b"x-request-id"
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""A client's own request id is taken over when it looks like this; it is echoed and written to logs."""

POLICY: Final = b"content-security-policy"
SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HSTS: Final[Header] = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""RFC 6797; for services that are reached by https."""
NOTHING_ALLOWED: Final[Header] = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
DEFAULTS: Final[tuple[Header, ...]] = (*SECURITY, NOTHING_ALLOWED)


def request_id(given: bytes | None) -> str:
    """The client's request id if it is a sane one, else a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode()
    return new_id()


class Envelope:
    """Sends an answer with the headers added; `started` tells whether it is on its way."""

    __slots__ = ("_also", "_id", "_send", "started")

    def __init__(self, send: Send, id_: str, also: tuple[Header, ...] = (), *, hsts: bool = False) -> None:
        self._send = send
        self._id = id_.encode()
        self._also = (*also, HSTS) if hsts else also
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Pass an ASGI message on."""
        if message["type"] == "http.response.start":
            self.started = True
            own = message["headers"]
            # What a handler says itself counts: pages allow their own scripts, files may be kept.
            said = {name for name, _ in own}
            missing = [header for header in DEFAULTS if header[0] not in said]
            message["headers"] = [*own, *missing, *self._also, (REQUEST_ID, self._id)]
        await self._send(message)

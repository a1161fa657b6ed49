"""uvicorn's connection with the bounds it lacks: the size of a request's head, and the time to send a request.

Without them a client could send a header without end, or a byte a minute, and hold memory and a connection for as
long as it likes. One timer a connection looks after it, so that a request costs no timer.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from postroom.web.envelope import NOTHING_ALLOWED, REQUEST_ID, SECURITY, request_id
from postroom.web.problems import HEAD_TOO_LARGE, MEDIA_TYPE, Kind, Refusal, encode

HEAD_BYTES_MAX: Final = 64 * 1024
"""Request line and headers. Counted in the pieces in which they arrive, so it is no sharp line."""
SENDING_SECONDS_MAX: Final = 30.0
"""How long a client may take to send a request, head and body, or to begin its first one."""
LOOK_SECONDS: Final = 10.0

MALFORMED_REQUEST: Final = Kind("malformed-request", 400, "This is not HTTP")


class BoundedConnection(HttpToolsProtocol):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._since: float | None = None
        """When the request that is being received began; None between requests."""
        self._looking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look after it."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._since = self.loop.time()
        self._looking = self.loop.call_later(LOOK_SECONDS, self.look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking after it."""
        super().connection_lost(exc)
        if self._looking is not None:
            self._looking.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse; a head that goes on for too long is refused."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._since = self.loop.time()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(MALFORMED_REQUEST)

    def look(self) -> None:
        """Close it when its client takes too long to send a request."""
        if self._since is not None and self.loop.time() - self._since > SENDING_SECONDS_MAX:
            self.transport.close()
            return
        self._looking = self.loop.call_later(LOOK_SECONDS, self.look)

    def _refuse(self, kind: Kind) -> None:
        id_ = request_id(None)
        body = encode(Refusal(kind), id_)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (REQUEST_ID, id_.encode()),
            *SECURITY,
            NOTHING_ALLOWED,
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[kind.status] + lines + b"\r\n" + body)
        self.transport.close()

"""Serving the application over HTTP: uvicorn inside an event loop that does other work too.

    server = WebServer(app, "127.0.0.1", 5173)
    await server.start()        # listening; `server.url` has the port, also where 0 was asked for
    ...
    await server.stop()         # takes no more connections, lets running requests finish

It installs no signal handlers, configures no logging and writes no access log: those are its caller's. The loop
should be uvloop's (`asyncio.Runner(loop_factory=uvloop.new_event_loop)`), which is the caller's choice as well.
"""

import asyncio
import errno
import logging
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn

from postroom.kit.service import Service
from postroom.web.asgi import Application
from postroom.web.connection import BoundedConnection

GRACE_SECONDS: Final = 10.0
"""How long running requests may go on after a stop."""
KEEP_ALIVE_SECONDS: Final = 15
"""How long an idle connection stays open for the next request."""
BACKLOG: Final = 2048
"""Connections that the kernel keeps until they are accepted."""


class AddressUnavailable(OSError):
    """The address cannot be listened on; the text says why and what to do."""


class WebServer(Service):
    """An application listening on an address."""

    name = "web-server"

    def __init__(
        self, app: Application, host: str, port: int, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        super().__init__()
        self.host = host
        self.port = port
        """The port that is listened on, once it is."""
        config = uvicorn.Config(
            app,
            http=BoundedConnection,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # It would write tracebacks with the texts of exceptions; `App` announces failures without them.
            log_level=logging.CRITICAL,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            workers=1,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(grace_seconds),
        )
        self._uvicorn = _Uvicorn(config)
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; requests are answered when this returns. Raises AddressUnavailable."""
        if self.running:
            return
        self._socket = await _listen(self.host, self.port)
        self.port = self._socket.getsockname()[1]
        await super().start()
        listening = asyncio.ensure_future(self._uvicorn.listening.wait())
        ended = asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait((listening, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await ended
        finally:
            listening.cancel()
            ended.cancel()

    async def stop(self) -> None:
        """Take no more connections, let running requests finish within the grace period, close."""
        self._uvicorn.should_exit = True
        if self._task is not None:
            try:
                await asyncio.shield(self._task)
            except asyncio.CancelledError:
                # Asked to hurry.
                self._uvicorn.force_exit = True
                raise

    async def _run(self) -> None:
        assert self._socket is not None
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            self._socket.close()


@asynccontextmanager
async def serving(
    app: Application, host: str, port: int, *, grace_seconds: float = GRACE_SECONDS
) -> AsyncIterator[WebServer]:
    """Serve for the length of a block. Raises AddressUnavailable."""
    server = WebServer(app, host, port, grace_seconds=grace_seconds)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def serve(
    app: Application,
    host: str,
    port: int,
    *,
    listening: Callable[[WebServer], None] = lambda server: None,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Serve until cancelled; `listening` is called once requests are answered. Raises AddressUnavailable."""
    async with serving(app, host, port, grace_seconds=grace_seconds) as server:
        listening(server)
        await server.wait()


class _Uvicorn(uvicorn.Server):
    """Signals are the caller's, and so is knowing when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()


async def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises AddressUnavailable."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressUnavailable(f"{host} is not an address of this machine; set another host") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise AddressUnavailable(_words(error, host, port)) from error
    return listener


def _words(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is taken by another program; stop that one, or choose another port"
        case errno.EACCES:
            return f"port {port} needs rights that this user does not have; choose one from 1024 on"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine; set another host"
        case _:
            return f"cannot listen on {host} port {port}: {error.strerror}"

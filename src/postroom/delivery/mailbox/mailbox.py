"""The mailbox: what was received, in memory and in a folder, and who waits for it."""

import asyncio
import logging
import os
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from typing import ClassVar, Final, Self

from postroom.delivery.mailbox.line import Desk, Line
from postroom.delivery.mailbox.script import Script
from postroom.kit.clock import Clock, SystemClock, to_datetime
from postroom.kit.ids import new_id
from postroom.kit.redact import Discreet

KEPT_MAX: Final = 10_000
"""Messages kept in memory; older ones are forgotten first. Files in the folder stay."""


class Received(Discreet, frozen=True):
    """A message that was taken; its repr shows neither addresses nor content."""

    shown: ClassVar[tuple[str, ...]] = ("message_id", "at")

    message_id: str
    """The Message-ID header with its angle brackets; empty if there is none."""
    envelope_from: str
    envelope_to: tuple[str, ...]
    data: bytes
    at: datetime

    def message(self) -> EmailMessage:
        """The message as the standard library reads it."""
        return BytesParser(policy=policy.default).parsebytes(self.data)


class Mailbox:
    """An SMTP server on `host` and `port` (0: any free one, see `port` after `start`).

    `folder` gets each message as an .eml file. `tls` is a server's context, offered by STARTTLS or, with `implicit`,
    from the first byte. `login` is the one user and password that are then asked for.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        folder: Path | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        login: tuple[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.received: deque[Received] = deque(maxlen=KEPT_MAX)
        self.connections_made = 0
        self.connections_peak = 0
        self._folder = folder
        self._lines: set[Line] = set()
        self._clock = clock or SystemClock()
        self._script = Script()
        self._implicit_tls = tls if implicit else None
        self._desk = Desk(
            answer=self._script.next,
            keep=self._keep,
            begun=self._begun,
            ended=self._lines.discard,
            starttls=None if implicit else tls,
            login=login,
        )
        self._waiting: list[tuple[Callable[[Received], bool], asyncio.Future[Received]]] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a second start changes nothing. Raises OSError when the port is taken."""
        if self._server is not None:
            return
        # aiosmtpd logs addresses at INFO and whole contents at DEBUG.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        if self._folder is not None:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Line(self._desk), self.host, self.port, ssl=self._implicit_tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, cut every connection and wait until all have ended; what was received stays."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        ended = [line.ended for line in self._lines]
        for line in list(self._lines):
            line.cut()
        if ended:
            await asyncio.wait(ended)
        await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    def script(self, recipient: str | None, replies: Iterable[str]) -> None:
        """Answer the next messages to a recipient, or to anyone with None, with these; then accept again.

        A reply is an SMTP line for RCPT (`450 4.2.0 greylisted`), one for the content (`after-dot 554 5.7.1 spam`),
        `accept`, `drop-at-rcpt`, `drop-after-dot` or `hang-after-dot`. A recipient's own script comes before the
        general one, and both before the conventions. Raises ValueError for anything else.
        """
        self._script.add(recipient, replies)

    async def wait_for(self, predicate: Callable[[Received], bool], timeout: float = 5.0) -> Received:
        """The first message, already here or to come, of which the predicate is true.

        Raises TimeoutError after so many seconds.
        """
        for message in self.received:
            if predicate(message):
                return message
        found: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        entry = (predicate, found)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout):
                return await found
        finally:
            self._waiting.remove(entry)

    def _begun(self, line: Line) -> None:
        self._lines.add(line)
        self.connections_made += 1
        self.connections_peak = max(self.connections_peak, len(self._lines))

    async def _keep(self, envelope_from: str, envelope_to: Iterable[str], data: bytes) -> None:
        at = to_datetime(self._clock.now_us())
        header = BytesHeaderParser().parsebytes(data)["Message-ID"]
        message = Received(str(header or "").strip(), envelope_from, tuple(envelope_to), data, at)
        if self._folder is not None:
            path = self._folder / f"{at:%Y%m%dT%H%M%S%f}-{new_id()[-8:]}.eml"
            await asyncio.to_thread(_write, path, data)
        self.received.append(message)
        for predicate, found in self._waiting:
            if not found.done() and predicate(message):
                found.set_result(message)


def _write(path: Path, data: bytes) -> None:
    """All or nothing: a reader of the folder never sees half a message."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)

"""A local SMTP server that keeps what it receives, for the demo and for tests.

Owns receiving, keeping and scripted misbehaviour. It relays nothing and checks no sender. Runs in the running event
loop (not in a thread, as aiosmtpd's controllers do) and needs the extra `demo`.

Some recipients behave by convention, whatever the domain, so that a demo can show every ending:

    bounce@            550 5.1.1  no such mailbox
    greylist@          451 4.3.0  try again later
    temporary@         451 4.3.0  try again later
"""

import asyncio
import logging
import os
import ssl
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from typing import Any, ClassVar, Final, Self, cast

from postroom.delivery.errors import MissingDependency
from postroom.kit.clock import Clock, SystemClock, to_datetime
from postroom.kit.ids import new_id
from postroom.kit.redact import Discreet

try:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
except ModuleNotFoundError as error:
    raise MissingDependency.of("aiosmtpd, which the local mailbox needs,", "demo") from error

KEPT_MAX: Final = 10_000
"""Messages kept in memory; older ones are forgotten first. Files in the folder stay."""
MESSAGE_BYTES_MAX: Final = 33_554_432
"""Largest message taken, bytes; announced as SIZE (RFC 1870)."""

CONVENTIONS: Final = {
    "bounce": "550 5.1.1 no such mailbox",
    "greylist": "451 4.3.0 try again later",
    "temporary": "451 4.3.0 try again later",
}
"""What a recipient's local part asks for."""

ACCEPT: Final = "accept"
DROP_AT_RCPT: Final = "drop-at-rcpt"
"""Hang up instead of answering RCPT: the message is certainly not taken."""
DROP_AFTER_DOT: Final = "drop-after-dot"
"""Keep the message and hang up instead of saying so: the sender cannot know."""
HANG_AFTER_DOT: Final = "hang-after-dot"
"""Keep the message and never answer."""
AFTER_DOT: Final = "after-dot "
"""Begins a reply that is given to the content instead of to RCPT: `after-dot 554 5.7.1 spam`."""


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
        self._tls = tls
        self._implicit = implicit
        self._login = login
        self._clock = clock or SystemClock()
        self._scripts: dict[str | None, deque[str]] = {}
        self._waiting: list[tuple[Callable[[Received], bool], asyncio.Future[Received]]] = []
        self._lines: set[_Line] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a second start changes nothing. Raises OSError when the port is taken."""
        if self._server is not None:
            return
        # aiosmtpd logs addresses at INFO and whole contents at DEBUG.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        if self._folder is not None:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        context = self._tls if self._implicit else None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Line(self), self.host, self.port, ssl=context
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
        checked = list(replies)
        for reply in checked:
            line = reply.removeprefix(AFTER_DOT)
            if (
                line not in (ACCEPT, DROP_AT_RCPT, DROP_AFTER_DOT, HANG_AFTER_DOT)
                and not line[:3].isdecimal()
            ):
                raise ValueError(f"not a reply of the mailbox: {reply!r}")
        self._scripts.setdefault(recipient, deque()).extend(checked)

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

    def _count(self, line: "_Line") -> None:
        self._lines.add(line)
        self.connections_made += 1
        self.connections_peak = max(self.connections_peak, len(self._lines))

    def _plan(self, recipient: str) -> str:
        for key in (recipient, None):
            if self._scripts.get(key):
                return self._scripts[key].popleft()
        return CONVENTIONS.get(recipient.rpartition("@")[0].lower(), ACCEPT)

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

    def _admit(self, given: object) -> bool:
        if self._login is None or not isinstance(given, LoginPassword):
            return False
        return (given.login.decode(), given.password.decode()) == self._login


def _write(path: Path, data: bytes) -> None:
    """All or nothing: a reader of the folder never sees half a message."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


class _Desk:
    """Answers the commands of one connection; aiosmtpd finds the methods by name."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._at_dot = ACCEPT

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        plan = self._mailbox._plan(address)
        if plan == DROP_AT_RCPT:
            await _vanish(server)
        if plan[:3].isdecimal():
            return plan
        self._at_dot = plan
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        plan, self._at_dot = self._at_dot, ACCEPT
        if plan.startswith(AFTER_DOT):
            return plan.removeprefix(AFTER_DOT)
        content = envelope.original_content or b""
        await self._mailbox._keep(envelope.mail_from or "", envelope.rcpt_tos, content)
        if plan == DROP_AFTER_DOT:
            await _vanish(server)
        if plan == HANG_AFTER_DOT:
            await _forever()
        return f"250 2.0.0 OK: queued as {new_id()[-12:]}"

    async def handle_exception(self, error: Exception) -> str:
        """Say that it failed, and nothing about what: aiosmtpd would log and send the error's text."""
        return "451 4.3.0 the mailbox failed"


async def _vanish(server: SMTP) -> None:
    if server.transport is not None:
        cast(asyncio.Transport, server.transport).abort()
    await _forever()


async def _forever() -> None:
    """Wait until aiosmtpd cancels the connection's task, which it does when the connection is lost."""
    await asyncio.get_running_loop().create_future()


class _Line(SMTP):
    """One connection, counted by its mailbox from beginning to end."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        starttls = None if mailbox._implicit else mailbox._tls
        with warnings.catch_warnings():
            # A login without TLS is worth a warning on a network, not on a test server on this machine.
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                _Desk(mailbox),
                data_size_limit=MESSAGE_BYTES_MAX,
                hostname="mailbox.invalid",
                ident="Postroom mailbox",
                tls_context=starttls,
                require_starttls=starttls is not None,
                auth_required=mailbox._login is not None,
                auth_require_tls=starttls is not None,
                authenticator=self._authenticate_login,
                loop=asyncio.get_running_loop(),
            )

    def _authenticate_login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        # handled=False makes aiosmtpd answer 535; with its default the client would wait for ever.
        return AuthResult(success=self._mailbox._admit(given), handled=False, auth_data=None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        task = self._handler_coroutine
        if (
            task is not None and self not in self._mailbox._lines
        ):  # STARTTLS makes the connection a second time
            self._mailbox._count(self)
            task.add_done_callback(self._end)

    def cut(self) -> None:
        """End the connection at once, also amid a TLS handshake, which asyncio would leave waiting."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        for transport in (self.transport, self._original_transport):
            if transport is not None:
                cast(asyncio.Transport, transport).abort()

    def _end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # a client that hangs up is nothing to report
        self._mailbox._lines.discard(self)
        self.ended.set_result(None)

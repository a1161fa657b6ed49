"""One connection of the mailbox, through aiosmtpd.

Owns what is said on the line and when it has ended. What to answer, and where messages go, it asks its `Desk`.
"""

import asyncio
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple, cast

from postroom.delivery.errors import MissingDependency
from postroom.delivery.mailbox.script import ACCEPT, AFTER_DOT, DROP_AFTER_DOT, DROP_AT_RCPT, HANG_AFTER_DOT
from postroom.kit.ids import new_id

try:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
except ModuleNotFoundError as error:
    raise MissingDependency.of("aiosmtpd, which the local mailbox needs,", "demo") from error

MESSAGE_BYTES_MAX: Final = 33_554_432
"""Largest message taken, bytes; announced as SIZE (RFC 1870)."""


class Desk(NamedTuple):
    """What a line asks its mailbox."""

    answer: Callable[[str], str]
    """What to say to a recipient."""
    keep: Callable[[str, Iterable[str], bytes], Awaitable[None]]
    """Where a message goes: envelope sender, envelope recipients, content."""
    begun: Callable[["Line"], None]
    ended: Callable[["Line"], None]
    starttls: ssl.SSLContext | None
    login: tuple[str, str] | None


class Line(SMTP):
    """One connection, from its greeting until `ended` is done."""

    def __init__(self, desk: Desk) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._desk = desk
        self._begun = False
        with warnings.catch_warnings():
            # A login without TLS is worth a warning on a network, not on a test server on this machine.
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                _Hooks(desk),
                data_size_limit=MESSAGE_BYTES_MAX,
                hostname="mailbox.invalid",
                ident="Postroom mailbox",
                tls_context=desk.starttls,
                require_starttls=desk.starttls is not None,
                auth_required=desk.login is not None,
                auth_require_tls=desk.starttls is not None,
                authenticator=self._admit,
                loop=asyncio.get_running_loop(),
            )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve; called by the event loop, and again by aiosmtpd after STARTTLS."""
        super().connection_made(transport)
        if not self._begun and self._handler_coroutine is not None:
            self._begun = True
            self._desk.begun(self)
            self._handler_coroutine.add_done_callback(self._end)

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
        self._desk.ended(self)
        self.ended.set_result(None)

    def _admit(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        known = isinstance(given, LoginPassword) and self._desk.login == (
            given.login.decode("utf-8", "replace"),
            given.password.decode("utf-8", "replace"),
        )
        # handled=False makes aiosmtpd answer 535; with its default the client would wait for ever.
        return AuthResult(success=known, handled=False)


class _Hooks:
    """Answers the commands of one connection; aiosmtpd finds the methods by name."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._at_dot = ACCEPT

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._desk.answer(address)
        if answer == DROP_AT_RCPT:
            await _vanish(server)
        if answer[:3].isdecimal():
            return answer
        self._at_dot = answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer, self._at_dot = self._at_dot, ACCEPT
        if answer.startswith(AFTER_DOT):
            return answer.removeprefix(AFTER_DOT)
        await self._desk.keep(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b"")
        if answer == DROP_AFTER_DOT:
            await _vanish(server)
        if answer == HANG_AFTER_DOT:
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

"""The SMTP provider: an `Email` in, an `Outcome` out.

Owns the order compose, turn, session, transaction, and the one retry on a new line when a used one proves stale.
Decides nothing about later attempts.
"""

import asyncio
import socket
import ssl

from msgspec.structs import replace

from postroom.delivery.errors import ConfigurationError, Unsendable
from postroom.delivery.mime import Composed, compose
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Email, Envelope, Provider, ProviderContext
from postroom.delivery.providers.smtp.connect import Unconnected, connect, tls_context
from postroom.delivery.providers.smtp.correlation import headers_for, return_path
from postroom.delivery.providers.smtp.options import SmtpOptions, parse_smtp_url
from postroom.delivery.providers.smtp.pool import Pool
from postroom.delivery.providers.smtp.session import Session
from postroom.kit.clock import Clock, SystemClock


class SmtpProvider:
    """Email through a relay. Open it in the event loop that sends; concurrent sends share the pool."""

    channel: Channel = "email"

    def __init__(self, options: SmtpOptions, *, name: str = "smtp", clock: Clock | None = None) -> None:
        self.name = name
        self.options = options
        self._clock = clock or SystemClock()
        self._pool: Pool | None = None
        self._context: ssl.SSLContext | None = None
        self._hello = options.hello or ""

    async def open(self) -> None:
        """Read the trusted certificates and this machine's name; connections are made when first needed.

        Raises ConfigurationError when `ca_file` cannot be read.
        """
        if self._pool is not None:
            return
        try:
            self._context = await asyncio.to_thread(tls_context, self.options)
        except OSError:
            raise ConfigurationError("ca_file cannot be read as certificates in PEM", key="ca_file") from None
        self._hello = self._hello or await asyncio.to_thread(_own_name)
        self._pool = Pool(
            self.options.connections, max_age_seconds=self.options.max_age_seconds, clock=self._clock
        )

    async def send(self, envelope: Envelope) -> Outcome:
        """Hand an email to the relay; see `Provider.send`.

        One recipient a transaction. A loss before the final dot is `rejected_temporary`, after it `unknown`.
        """
        if not isinstance(envelope, Email):
            raise TypeError(f"the provider {self.name} sends Email, not {type(envelope).__name__}")
        pool = self._pool
        if pool is None:
            raise RuntimeError(f"the provider {self.name} is not open; await provider.open() first")
        if not (envelope.sender or self.options.sender):
            outcome = Outcome(Verdict.CONFIG_ERROR, detail="no sender: set from= in the SMTP URL")
        else:
            try:
                mail = self._composed(envelope)
            except Unsendable as error:
                outcome = Outcome(Verdict.REJECTED_PERMANENT, detail=str(error))
            else:
                async with pool.turn:
                    outcome = await self._deliver(pool, mail)
        return replace(outcome, provider=self.name)

    def _composed(self, email: Email) -> Composed:
        """The bytes, with what brings our token back. Raises Unsendable."""
        options = self.options
        headers = headers_for(options.relay, email.attempt_id)
        if headers:
            email = replace(email, headers={**email.headers, **headers})
        mail = compose(email, sender=options.sender or "", now_us=self._clock.now_us())
        if options.return_path is None:
            return mail
        return replace(mail, sender=return_path(options.return_path, email.attempt_id))

    async def close(self) -> None:
        """Say goodbye on idle connections; those in use end with their transaction."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _deliver(self, pool: Pool, mail: Composed) -> Outcome:
        session = pool.take()
        if session is not None:
            outcome = await _transact(pool, session, mail)
            if outcome is not None:
                return outcome
        assert self._context is not None
        try:
            session = await connect(self.options, hello=self._hello, context=self._context, clock=self._clock)
        except Unconnected as error:
            return error.outcome
        outcome = await _transact(pool, session, mail)
        assert outcome is not None, "a first transaction is never stale"
        return outcome


async def _transact(pool: Pool, session: Session, mail: Composed) -> Outcome | None:
    try:
        return await session.transact(mail)
    finally:
        pool.put(session)


def _own_name() -> str:
    name = socket.getfqdn()
    return name if name.isascii() and name.isprintable() and name and " " not in name else "localhost"


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """The provider behind an SMTP URL; see `parse_smtp_url`. Raises ConfigurationError."""
    del channel, context  # the table of providers has checked the channel; the URL says everything
    return SmtpProvider(parse_smtp_url(url), name=name, clock=clock)

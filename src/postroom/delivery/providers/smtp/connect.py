"""From nothing to a session: TCP, greeting, EHLO, TLS and AUTH, through aiosmtplib.

Owns the order of these steps and what their failures mean. AUTH never comes before TLS unless the host is this
machine; the options refuse what would break that, and `connect` checks once more.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import aiosmtplib

from postroom.delivery.errors import DeliveryError
from postroom.delivery.outcome import Outcome, Stage, Verdict, classify_loss, classify_smtp
from postroom.delivery.providers.smtp.options import SmtpOptions
from postroom.delivery.providers.smtp.session import Session
from postroom.delivery.providers.smtp.wire import Wire
from postroom.kit.clock import Clock

NO_STARTTLS: Final = Outcome(
    Verdict.CONFIG_ERROR, detail="the server offers no STARTTLS, which tls=starttls needs"
)
NO_AUTH: Final = Outcome(Verdict.CONFIG_ERROR, detail="the server offers none of PLAIN, LOGIN and CRAM-MD5")
UNTRUSTED: Final = Outcome(Verdict.REJECTED_TEMPORARY, detail="the server's certificate is not trusted")
NO_TLS_FOR_AUTH: Final = Outcome(Verdict.CONFIG_ERROR, detail="a login without TLS would show the password")


class Unconnected(DeliveryError, ConnectionError):
    """No session came about; `outcome` is what that means for the message that wanted one."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def tls_context(options: SmtpOptions) -> ssl.SSLContext:
    """What certificates are asked for: valid ones, except where TLS is opportunistic (RFC 7435). Reads files."""
    context = ssl.create_default_context(cafile=options.ca_file)
    if options.tls == "opportunistic":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect(options: SmtpOptions, *, hello: str, context: ssl.SSLContext, clock: Clock) -> Session:
    """A session ready for its first transaction. Raises Unconnected, never what aiosmtplib or the network raise."""
    client = aiosmtplib.SMTP(
        hostname=options.host,
        port=options.port,
        use_tls=options.tls == "implicit",
        start_tls=False,
        tls_context=context,
        timeout=options.connect_timeout_seconds,
        local_hostname=hello,
    )
    try:
        async with _stage("connect"):
            await client.connect()
            await client.ehlo()
        await _encrypt(client, options)
        await _log_in(client, options)
        transport = client.transport
        if transport is None or transport.is_closing():
            raise Unconnected(classify_loss("auth"))
    except BaseException:
        client.close()
        raise
    # aiosmtplib's part ends here: the wire takes its transport over.
    return Session(Wire(cast(asyncio.Transport, transport), clock), client.esmtp_extensions, options, clock)


async def _encrypt(client: aiosmtplib.SMTP, options: SmtpOptions) -> None:
    if options.tls not in ("starttls", "opportunistic"):
        return
    if not client.supports_extension("starttls"):
        if options.tls == "starttls":
            raise Unconnected(NO_STARTTLS)
        return
    async with _stage("tls"):
        await client.starttls()
        # What the server said before TLS is forgotten (RFC 3207 4.2).
        await client.ehlo()


async def _log_in(client: aiosmtplib.SMTP, options: SmtpOptions) -> None:
    if options.username is None or options.password is None:
        return
    if client.get_transport_info("sslcontext") is None and not options.is_loopback:
        raise Unconnected(NO_TLS_FOR_AUTH)
    # One mechanism and one try: going through all of them after a refusal locks accounts.
    mechanisms = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
    for name, authenticate in mechanisms.items():
        if name in client.server_auth_methods:
            async with _stage("auth"):
                await authenticate(options.username, options.password)
            return
    raise Unconnected(NO_AUTH)


@asynccontextmanager
async def _stage(stage: Stage) -> AsyncIterator[None]:
    """Turn what goes wrong in the block into what it means at that stage; texts, which may name people, end here."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        if error.code == aiosmtplib.SMTPStatus.invalid_response:
            raise Unconnected(classify_loss(stage, "malformed")) from None
        raise Unconnected(classify_smtp(error.code, error.message, stage)) from None
    except TimeoutError:
        raise Unconnected(classify_loss(stage, "timeout")) from None
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise Unconnected(UNTRUSTED) from None
        raise Unconnected(classify_loss("tls" if isinstance(cause, ssl.SSLError) else stage)) from None

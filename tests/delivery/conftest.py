"""What the tests of delivery share: certificates, a provider that is opened and closed, and an email to send."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from email_support import OpenProvider

from postroom.delivery.providers.smtp import SmtpProvider, parse_smtp_url
from postroom.kit.clock import Clock


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate as a PEM file."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
async def open_provider() -> AsyncIterator[OpenProvider]:
    """Opens an SMTP provider to a port here: `await open_provider(port, "tls=none", user="u:p@")`."""
    opened: list[SmtpProvider] = []

    async def open_(
        port: int,
        query: str = "tls=none",
        *,
        user: str = "",
        clock: Clock | None = None,
        host: str = "127.0.0.1",
    ) -> SmtpProvider:
        sender = quote("Clinic <noreply@clinic.example>")
        url = f"smtp://{user}{host}:{port}?from={sender}&hello=tests.example&{query}"
        provider = SmtpProvider(parse_smtp_url(url), clock=clock)
        opened.append(provider)
        await provider.open()
        return provider

    yield open_
    for provider in opened:
        await provider.close()

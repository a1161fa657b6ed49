"""What HTTP vendors' providers share: reading their URL, and the life of their client."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from postroom.delivery.errors import ConfigurationError
from postroom.delivery.http import HttpClient

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class VendorUrl(NamedTuple):
    """A vendor's URL, taken apart: `scheme://USER:PASSWORD@HOST?option=value`."""

    user: str | None
    password: str | None
    host: str
    options: Mapping[str, str]


def read_url(url: str, scheme: str, known: frozenset[str]) -> VendorUrl:
    """The URL's parts; raises ConfigurationError for an option that is unknown or given twice."""
    parts = urlsplit(url if "://" in url else f"{url}://")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ConfigurationError(f"an option of {scheme}:// is given twice", key=scheme)
    unknown = sorted(set(options) - known - {"base"})
    if unknown:
        names = ", ".join(sorted(known | {"base"}))
        raise ConfigurationError(
            f"{scheme}:// has no option {', '.join(unknown)}; known: {names}", key=unknown[0]
        )
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return VendorUrl(user, password, parts.hostname or "", options)


def base_of(options: Mapping[str, str], usual: str) -> str:
    """Where the vendor is: its own address, or `base=`; raises ConfigurationError for plain http beyond loopback."""
    base = options.get("base", usual).rstrip("/")
    parts = urlsplit(base)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ConfigurationError("base must be https://..., or http:// on this machine", key="base")
    return base


def needed(value: str | None, scheme: str, what: str, variable: str) -> str:
    """A credential; raises ConfigurationError that says where to put it."""
    if not value:
        raise ConfigurationError(f"{scheme}:// needs {what}: in the URL, or in {variable}", key=variable)
    return value


class Vendor:
    """A provider behind an HTTP interface."""

    def __init__(self, *, name: str, client: HttpClient | None = None) -> None:
        self.name = name
        self._client = client or HttpClient()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    async def open(self) -> None:
        """Get the client ready; the vendor is not called."""
        await self._client.open()

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

"""What an SMTP URL may say: options with their ranges, checked when they are made.

    smtp://user:secret@mail.example:587?tls=starttls&connections=20&from=Clinic%20<noreply@clinic.example>
    smtps://user:secret@mail.example

Pure: nothing is read but the URL. No error repeats the URL or a value from its first half, which hold the password.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args
from urllib.parse import unquote, urlsplit

from postroom.delivery.address import parse_mailbox
from postroom.delivery.errors import ConfigurationError, Unsendable
from postroom.delivery.providers.smtp.correlation import RELAYS
from postroom.kit.redact import Discreet

Tls: TypeAlias = Literal["none", "starttls", "implicit", "opportunistic"]
"""`starttls` and `implicit` encrypt and check the certificate, or send nothing. `opportunistic` encrypts where the
server offers it, checks nobody's certificate and otherwise sends in the clear. `none` sends in the clear."""

TLS_MODES: Final[tuple[Tls, ...]] = get_args(Tls)

PORTS: Final[dict[Tls, int]] = {"none": 25, "opportunistic": 25, "starttls": 587, "implicit": 465}
"""Ports where the URL names none (RFC 5321, RFC 6409, RFC 8314)."""

RANGES: Final[dict[str, tuple[float, float]]] = {
    "port": (1, 65_535),
    "connections": (1, 500),
    "connect_timeout_seconds": (0.1, 600),
    "command_timeout_seconds": (0.1, 600),
    "final_timeout_seconds": (0.1, 3_600),
    "max_messages_per_connection": (1, 1_000_000),
    "max_age_seconds": (1, 86_400),
}
"""Smallest and largest value of each number."""


class SmtpOptions(Discreet, frozen=True, kw_only=True):
    """How to reach a relay and how hard to use it. Raises ConfigurationError for a value out of range.

    `connections` bounds the pool (some relays allow 10 per address). After `max_messages_per_connection` messages
    or `max_age_seconds` a connection is replaced; relays that cap it say 421, which costs a reconnection and no
    message. `sender` is the From of emails that name none. `hello` is what EHLO says, by default this machine's
    name. `ca_file` is a PEM file of authorities trusted in place of the system's.
    """

    shown: ClassVar[tuple[str, ...]] = ("host", "port", "tls", "connections")

    host: str
    port: int
    tls: Tls = "starttls"
    username: str | None = None
    password: str | None = None
    sender: str | None = None
    hello: str | None = None
    ca_file: str | None = None
    relay: str | None = None
    """Whose relay it is, where that vendor's webhooks repeat a header of ours; see `correlation`."""
    return_path: str | None = None
    """The envelope's sender, with a token of the call added to its first half; by default the From."""
    connections: int = 20
    max_messages_per_connection: int = 100
    max_age_seconds: float = 300.0
    connect_timeout_seconds: float = 30.0
    """For each of TCP with TLS, greeting, EHLO, STARTTLS and AUTH."""
    command_timeout_seconds: float = 60.0
    """For the reply to MAIL, RCPT and DATA. RFC 5321 4.5.3.2 would wait up to 300 s; giving up earlier is harmless
    here, as nothing has been handed over."""
    final_timeout_seconds: float = 600.0
    """For the reply to the final dot: 10 minutes (RFC 5321 4.5.3.2.6). Shorter ones manufacture duplicates."""

    def __post_init__(self) -> None:
        """Check each value and how they fit together."""
        for key, (low, high) in RANGES.items():
            if not low <= getattr(self, key) <= high:
                raise ConfigurationError(f"{key} is out of range; allowed: {low:g} to {high:g}", key=key)
        if _HOST.fullmatch(self.host) is None:
            raise ConfigurationError("the SMTP URL names no host: smtp://user:password@host:port", key="host")
        if (self.username is None) != (self.password is None):
            raise ConfigurationError(
                "username and password come together: smtp://user:password@host", key="username"
            )
        if self.username is not None and self.tls in ("none", "opportunistic") and not self.is_loopback:
            raise ConfigurationError(
                f"tls={self.tls} could show the password to the network; use tls=starttls or tls=implicit",
                key="tls",
            )
        if self.hello is not None and _HOST.fullmatch(self.hello) is None:
            raise ConfigurationError("hello is a host name or an address literal in ASCII", key="hello")
        if self.relay is not None and self.relay not in RELAYS:
            raise ConfigurationError(f"relay must be one of: {', '.join(RELAYS)}", key="relay")
        if self.return_path is not None and _RETURN_PATH.fullmatch(self.return_path) is None:
            raise ConfigurationError(
                "return_path is a plain address in ASCII: bounces@a.example", key="return_path"
            )
        if self.sender is not None:
            try:
                parse_mailbox(self.sender, "from")
            except Unsendable as error:
                raise ConfigurationError(
                    f"{error}; write a@b or Name <a@b>, percent-encoded", key="from"
                ) from None

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, so that nothing crosses a network."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


_RETURN_PATH = re.compile(r"[A-Za-z0-9._-]{1,20}@[A-Za-z0-9.-]{1,190}")
"""With the token its first half has at most 64 characters (RFC 5321 4.5.3.1.1)."""
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_WORD = re.compile(r"[a-z_]{1,32}")


def _number(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdecimal() else -1.0


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else -1


QUERY: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "tls": ("tls", str),
    "from": ("sender", str),
    "hello": ("hello", str),
    "ca_file": ("ca_file", str),
    "relay": ("relay", str),
    "return_path": ("return_path", str),
    "connections": ("connections", _whole),
    "max_messages": ("max_messages_per_connection", _whole),
    "max_age": ("max_age_seconds", _number),
    "connect_timeout": ("connect_timeout_seconds", _number),
    "timeout": ("command_timeout_seconds", _number),
    "final_timeout": ("final_timeout_seconds", _number),
}
"""Keys of the URL's query, the option that each sets, and how it is read; times are in seconds."""


def parse_smtp_url(url: str) -> SmtpOptions:
    """The options in a URL; `smtps` means implicit TLS on port 465, `smtp` STARTTLS on 587 unless it says otherwise.

    User, password and query values are percent-decoded; a plus sign stays a plus sign. Raises ConfigurationError
    for anything unknown, twice, malformed or out of range; what may be shown of it is in the text.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        # The cause would quote what stands where the port should be: often the second half of a password.
        raise ConfigurationError(
            "the SMTP URL is malformed; percent-encode special characters in user and password", key="url"
        ) from None
    if scheme not in ("smtp", "smtps"):
        raise ConfigurationError("an SMTP URL begins with smtp:// or smtps://", key="url")
    if parts.path not in ("", "/") or parts.fragment:
        raise ConfigurationError("an SMTP URL has no path; percent-encode special characters", key="url")
    given: dict[str, Any] = {}
    for pair in filter(None, parts.query.split("&")):
        key, _, value = pair.partition("=")
        if key not in QUERY:
            named = f' "{key}"' if _WORD.fullmatch(key) else ""
            known = ", ".join(sorted(QUERY))
            raise ConfigurationError(f"unknown option{named} in the SMTP URL; known: {known}", key="url")
        option, read = QUERY[key]
        if option in given:
            raise ConfigurationError(f"{key} stands twice in the SMTP URL", key=key)
        given[option] = read(unquote(value))
    tls = _tls(scheme, given.pop("tls", None))
    return SmtpOptions(
        host=host,
        port=port if port is not None else PORTS[tls],
        tls=tls,
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        **given,
    )


def _tls(scheme: str, given: object) -> Tls:
    if given is None:
        return "implicit" if scheme == "smtps" else "starttls"
    for mode in TLS_MODES:
        if given == mode and (scheme == "smtp" or mode == "implicit"):
            return mode
    known = ", ".join(TLS_MODES) if scheme == "smtp" else "implicit, which smtps:// means"
    raise ConfigurationError(f"unknown tls in the SMTP URL; known: {known}", key="tls")

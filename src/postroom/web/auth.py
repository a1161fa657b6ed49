"""Who is asking, and what they may do.

Locally a developer needs no token, but must sit at this machine: the connection comes from loopback and
through no proxy, and the browser, if it is one, was not sent by another site. The last matters because any web
page a developer visits may try http://localhost: `Origin` and `Sec-Fetch-Site` tell on cross-site requests, and
`Host` on names that were bound to 127.0.0.1 after the page was loaded (DNS rebinding).
Everywhere else a bearer token says who it is.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from postroom.kit.actor import Actor
from postroom.web.asgi import Scope
from postroom.web.problems import FORBIDDEN, UNAUTHENTICATED, Refusal
from postroom.web.services import OPERATOR, PRODUCER, Token, WebServices

LOCAL_HOSTS: Final = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_BEARER: Final = re.compile(rb"bearer +([!-~]{1,1024})", re.IGNORECASE)
PROXY_HEADERS: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
READ: Final = PROXY_HEADERS | {
    b"authorization", b"content-length", b"host", b"origin", b"sec-fetch-site", b"x-request-id",
}  # fmt: skip
"""Headers that anybody here looks at."""


PERMISSIONS: Final = {
    PRODUCER: frozenset({"look_up"}),
    OPERATOR: frozenset({"draft", "submit", "review", "send_directly", "read_bodies", "look_up"}),
}


class Identity(NamedTuple):
    """Who asks."""

    name: str
    """The actor in the audit trail."""
    role: str
    address: str | None = None
    """Where the request came from."""

    @property
    def permissions(self) -> frozenset[str]:
        """What the role allows."""
        return PERMISSIONS.get(self.role, frozenset())

    def actor(self, request_id: str | None = None) -> Actor:
        """As the audit trail names it."""
        return Actor(self.name, self.role, self.address, request_id)


LOCAL_DEVELOPER: Final = Identity("local-developer", OPERATOR)
NOBODY: Final = Identity("nobody", "none")
"""Asks for what everybody may see."""


def read_headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers that matter, by name; of one that comes twice, both values, which then fit nothing."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in READ:
            found[name] = value if name not in found else found[name] + b", " + value
    return found


class Gate(Protocol):
    """Lets a request in or not."""

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Identity:
        """Who asks; raises Refusal."""


def gate_for(services: WebServices) -> Gate:
    """The gate of the environment."""
    return LocalGate() if services.local else TokenGate(services.tokens)


class LocalGate:
    """Lets this machine's user in, as `local-developer`."""

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Identity:
        """The developer; raises Refusal for everybody else."""
        client = scope.get("client")
        if client is None or not is_loopback(client[0]):
            raise Refusal(FORBIDDEN, "The local environment answers this machine only.")
        if not PROXY_HEADERS.isdisjoint(headers):
            raise Refusal(FORBIDDEN, "The local environment answers no proxies.")
        host = headers.get(b"host", b"")
        if not LOCAL_HOSTS.fullmatch(host):
            raise Refusal(FORBIDDEN, "The local environment is called localhost, 127.0.0.1 or [::1].")
        origin = headers.get(b"origin")
        if origin is not None and origin != scope["scheme"].encode() + b"://" + host:
            raise Refusal(FORBIDDEN, "The request comes from another site.")
        if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            raise Refusal(FORBIDDEN, "The request comes from another site.")
        return LOCAL_DEVELOPER


class TokenGate:
    """Lets in who has a token."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._known = [
            (hashlib.sha256(token.secret.encode()).digest(), Identity(token.name, token.role))
            for token in tokens
        ]

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Identity:
        """The token's owner; raises Refusal."""
        given = headers.get(b"authorization")
        if given is None:
            raise _unauthenticated("Send `Authorization: Bearer TOKEN`.", "Bearer")
        token = _BEARER.fullmatch(given)
        found = self._find(token[1]) if token is not None else None
        if found is None:
            raise _unauthenticated("The token is not known here.", 'Bearer error="invalid_token"')
        return found

    def _find(self, secret: bytes) -> Identity | None:
        digest = hashlib.sha256(secret).digest()
        found = None
        # All are compared, each in constant time, so that the time taken tells nothing.
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found


def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Litestar's guard of what only operators may do; raises Refusal."""
    if connection.scope["user"].role != OPERATOR:
        raise Refusal(
            FORBIDDEN,
            "This needs a token with the role operator.",
            headers={"www-authenticate": 'Bearer error="insufficient_scope"'},
        )


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own; False for what is not an address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _unauthenticated(detail: str, challenge: str) -> Refusal:
    return Refusal(UNAUTHENTICATED, detail, headers={"www-authenticate": challenge})

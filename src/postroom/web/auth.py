"""Who is asking, and what they may do.

A request may carry an API token, the token of an issuer, or a session's cookie. Locally a developer needs none of them,
but must sit at this machine: the connection comes from loopback and through no proxy, and the browser, if it is one,
was not sent by another site. The last matters because any web page a developer visits may try http://localhost:
`Origin` and `Sec-Fetch-Site` tell on cross-site requests, and `Host` on names that were bound to 127.0.0.1 after the
page was loaded (DNS rebinding). A cookie is sent along by the browser whoever asks, so whatever changes something by
cookie needs the session's CSRF token too.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, NamedTuple

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from postroom.accounts import Issuer, NotSignedIn, Permission, Session, User, permissions_of
from postroom.accounts.tokens import PREFIX, Holder, digest
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND
from postroom.store import StoreTransaction
from postroom.web.asgi import Scope
from postroom.web.dashboard.paths import is_page
from postroom.web.problems import FORBIDDEN, UNAUTHENTICATED, Refusal
from postroom.web.services import Token, WebServices

LOCAL_HOSTS: Final = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_BEARER: Final = re.compile(rb"bearer +([!-~]{1,8192})", re.IGNORECASE)
PROXY_HEADERS: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
CSRF: Final = b"x-csrf-token"
ACT_AS: Final = b"x-postroom-act-as"
IDEMPOTENCY_KEY: Final = b"idempotency-key"
BACKGROUND: Final = b"x-postroom-background"
"""Sent along by what a page asks for by itself: that is no use of the session by a person."""
READ: Final = PROXY_HEADERS | {
    b"authorization", b"content-length", b"cookie", b"host", b"origin", b"sec-fetch-site", b"x-forwarded-proto",
    b"x-request-id", b"cf-access-jwt-assertion", b"x-auth-email", b"x-auth-key",
    b"access-control-request-method", CSRF, ACT_AS, IDEMPOTENCY_KEY, BACKGROUND, b"accept",
}  # fmt: skip
"""Headers that anybody here looks at."""
COOKIE: Final = "postroom_session"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 9.2.1)."""
REMEMBERED_SECONDS: Final = 5.0
"""How long a token that was found good is not looked up again; a revocation elsewhere acts within this."""
REMEMBERED_MAX: Final = 10_000
USE_NOTED_SECONDS: Final = 3600.0


class Identity(NamedTuple):
    """Who asks."""

    name: str
    """The actor in the audit trail."""
    role: str
    permissions: frozenset[Permission] = frozenset()
    address: str | None = None
    """Where the request came from."""
    user_id: str | None = None
    session: Session | None = None
    """The session that let them in, if it was one."""
    request_id: str | None = None

    @property
    def actor(self) -> Actor:
        """As the audit trail names it."""
        return Actor(self.name, self.role, self.address, self.request_id)


LOCAL_DEVELOPER: Final = Identity("local-developer", "admin", frozenset(Permission))
NOBODY: Final = Identity("nobody", "none")
"""Asks for what everybody may see."""

Headers = dict[bytes, bytes]


def read_headers(scope: Scope, also: bytes | None = None) -> Headers:
    """The headers that matter, by name; of one that comes twice, both values, which then fit nothing."""
    found: Headers = {}
    for name, value in scope["headers"]:
        if name in READ or name == also:
            found[name] = value if name not in found else found[name] + b", " + value
    return found


class Gate:
    """Lets a request in or not."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._clock = services.clock
        self._configured = _Configured(services.tokens)
        self._issuer: Issuer | None = services.issuer
        self.issuer_header = self._issuer.options.header.encode() if self._issuer is not None else None
        self._remembered: dict[str, tuple[Holder, int]] = {}

    async def admit(self, scope: Scope, headers: Headers, address: str | None) -> Identity:
        """Who asks; raises Refusal."""
        if self._services.local:
            _only_from_here(scope, headers)
        identity = await self._who(scope, headers)
        if identity is None and self._services.local:
            identity = await self._developer(headers)
        if identity is None:
            raise unauthenticated("Send `Authorization: Bearer TOKEN`, or sign in.", "Bearer")
        return identity._replace(address=address)

    async def visit(self, scope: Scope, headers: Headers, address: str | None) -> Identity:
        """Who asks for a page that is there for everybody; raises Refusal for who is not on this site."""
        if self._services.local:
            _only_from_here(scope, headers)
        if scope["method"] not in SAFE:
            only_this_site(headers)
        found = await self._session(scope, headers) if b"cookie" in headers else None
        return (found or NOBODY)._replace(address=address)

    def forget(self) -> None:
        """Look every token up again: one was revoked, or somebody's roles changed."""
        self._remembered.clear()

    async def _who(self, scope: Scope, headers: Headers) -> Identity | None:
        """Who the request's own evidence says; None when it has none. Raises Refusal when it is worth nothing."""
        given = headers.get(b"authorization")
        if given is not None:
            found = _BEARER.fullmatch(given)
            if found is None:
                raise unauthenticated("The token is not known here.", 'Bearer error="invalid_token"')
            return await self._bearer(found[1])
        if self._issuer is not None and self.issuer_header in headers:
            return await self._issued(headers[self.issuer_header].decode("latin-1"))
        if b"cookie" in headers:
            return await self._session(scope, headers)
        return None

    async def _bearer(self, secret: bytes) -> Identity:
        if secret.startswith(PREFIX.encode()):
            holder = await self._holder(digest(secret.decode("latin-1")))
            if holder is not None:
                return Identity(
                    holder.user.name, "+".join(holder.user.roles), holder.permissions, user_id=holder.user.id
                )
        configured = self._configured.find(secret)
        if configured is not None:
            return configured
        if (
            self._issuer is not None
            and self._issuer.options.header == "authorization"
            and secret.count(b".") == 2
        ):
            return await self._issued(secret.decode("latin-1"))
        raise unauthenticated("The token is not known here.", 'Bearer error="invalid_token"')

    async def _holder(self, token_digest: str) -> Holder | None:
        now_us = self._clock.now_us()
        known = self._remembered.get(token_digest)
        if known is not None and now_us - known[1] < REMEMBERED_SECONDS * MICROSECOND:
            return known[0]
        tokens = self._services.accounts.tokens
        found = await self._services.store.read(lambda t: tokens.holder(t, token_digest, now_us))
        if found is None:
            self._remembered.pop(token_digest, None)
            return None
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[token_digest] = (found, now_us)
        used_us = found.token.used_us
        if used_us is None or now_us - used_us > USE_NOTED_SECONDS * MICROSECOND:
            await self._services.store.write(lambda t: t.run("use_token", id=found.token.id, now_us=now_us))
        return found

    async def _issued(self, token: str) -> Identity:
        assert self._issuer is not None
        try:
            claims = await self._issuer.check(token)
        except NotSignedIn as error:
            raise unauthenticated(
                f"{error}."[0].upper() + f"{error}."[1:], 'Bearer error="invalid_token"'
            ) from None

        def look(transaction: StoreTransaction) -> User | None:
            users = self._services.accounts.users
            found = users.by_email(transaction, claims.email) if claims.email else None
            return found or users.find(transaction, claims.subject)

        user = await self._services.store.read(look)
        if user is not None and user.disabled:
            raise unauthenticated("The account is disabled.", 'Bearer error="invalid_token"')
        roles = user.roles if user is not None else claims.roles
        if not roles:
            raise Refusal(FORBIDDEN, "The token names no role here, and there is no account for it.")
        name = user.name if user is not None else f"issuer:{claims.subject}"
        user_id = user.id if user is not None else None
        return Identity(name, "+".join(roles), permissions_of(roles), user_id=user_id)

    async def _session(self, scope: Scope, headers: Headers) -> Identity | None:
        cookie = cookie_of(headers)
        if cookie is None:
            return None
        now_us, sessions = self._clock.now_us(), self._services.accounts.sessions
        session = await self._services.store.read(lambda t: sessions.find(t, cookie, now_us))
        if session is None:
            return None
        if scope["method"] not in SAFE:
            _same_site(headers)
            # A page's form has the token in its body, where `dashboard.forms` looks for it.
            if not is_page(scope["path"]) and not session.is_csrf(headers.get(CSRF, b"").decode("latin-1")):
                raise Refusal(
                    FORBIDDEN, "Send the session's token as `X-CSRF-Token`; GET /api/session has it."
                )
        background = BACKGROUND in headers or b"text/event-stream" in headers.get(b"accept", b"")
        if session.stale and not background:
            await self._services.store.write(lambda t: sessions.note(t, cookie, now_us))
        user = session.user
        return Identity(user.name, "+".join(user.roles), user.permissions, user_id=user.id, session=session)

    async def _developer(self, headers: Headers) -> Identity:
        name = headers.get(ACT_AS)
        if name is None:
            return LOCAL_DEVELOPER
        users = self._services.accounts.users
        user = await self._services.store.read(lambda t: users.find(t, name.decode("latin-1")))
        if user is None or user.disabled:
            raise Refusal(FORBIDDEN, "X-Postroom-Act-As names nobody who has an account.")
        return Identity(user.name, "+".join(user.roles), user.permissions, user_id=user.id)


class _Configured:
    """The tokens of the settings."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._known = [
            (
                hashlib.sha256(token.secret.encode()).digest(),
                Identity(token.name, token.role, permissions_of([token.role])),
            )
            for token in tokens
        ]

    def find(self, secret: bytes) -> Identity | None:
        """Whose it is; all are compared, each in constant time, so that the time taken tells nothing."""
        given = hashlib.sha256(secret).digest()
        found = None
        for known, identity in self._known:
            if hmac.compare_digest(known, given):
                found = identity
        return found


def needs(permission: Permission) -> Guard:
    """Litestar's guard of what needs a permission; raises Refusal."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        require(connection.scope["user"], permission)

    return guard


def require(identity: Identity, permission: Permission) -> None:
    """Raise Refusal unless they may."""
    if permission not in identity.permissions:
        raise Refusal(
            FORBIDDEN,
            f"This needs the permission {permission}, which the role {identity.role} does not have.",
            headers={"www-authenticate": 'Bearer error="insufficient_scope"'},
            permission=permission,
        )


def cookie_of(headers: Headers) -> str | None:
    """The session's cookie, if there is one."""
    try:
        found = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def _only_from_here(scope: Scope, headers: Headers) -> None:
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        raise Refusal(FORBIDDEN, "The local environment answers this machine only.")
    if not PROXY_HEADERS.isdisjoint(headers):
        raise Refusal(FORBIDDEN, "The local environment answers no proxies.")
    if not LOCAL_HOSTS.fullmatch(headers.get(b"host", b"")):
        raise Refusal(FORBIDDEN, "The local environment is called localhost, 127.0.0.1 or [::1].")
    _same_site(headers, scope["scheme"].encode())


def _same_site(headers: Headers, scheme: bytes | None = None) -> None:
    origin, host = headers.get(b"origin"), headers.get(b"host", b"")
    # Behind a proxy that ends TLS the scheme is not ours to know.
    known = origin is None or origin.rpartition(b"://")[2] == host
    if not known or (scheme is not None and origin not in (None, scheme + b"://" + host)):
        raise Refusal(FORBIDDEN, "The request comes from another site.")
    if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        raise Refusal(FORBIDDEN, "The request comes from another site.")


def only_this_site(headers: Headers) -> None:
    """Raise Refusal unless the browser says that a page of this site asks."""
    if b"origin" not in headers and b"sec-fetch-site" not in headers:
        raise Refusal(FORBIDDEN, "The request does not say which site it comes from.")
    _same_site(headers)


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


def unauthenticated(detail: str, challenge: str) -> Refusal:
    """The answer to who shows nothing, or nothing that counts."""
    return Refusal(UNAUTHENTICATED, detail, headers={"www-authenticate": challenge})

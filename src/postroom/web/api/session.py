"""`/api/session`: signing in with name and password, who one is, and signing out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple, cast

import msgspec
from litestar import Response, delete, get, post

from postroom.accounts import Session, User
from postroom.audit import record
from postroom.kit.actor import Actor
from postroom.kit.clock import MICROSECOND, to_datetime
from postroom.store import StoreTransaction
from postroom.web.asgi import Scope
from postroom.web.auth import COOKIE, cookie_of, read_headers, unauthenticated
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.services import WebServices

CREATED: Final = 201


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and a password."""

    name: str
    password: str

    def __repr__(self) -> str:
        return "SignIn()"


class SessionView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who one is here, and what one may do."""

    name: str
    roles: Sequence[str]
    permissions: Sequence[str]
    csrf_token: str | None
    """To be sent as `X-CSRF-Token` with whatever changes something; null without a session."""
    ends_at: datetime | None


class Begun(NamedTuple):
    """A session that has begun, and the `Set-Cookie` that carries it."""

    session: Session
    header: str


_sign_in = msgspec.json.Decoder(SignIn)


@post("/api/session", status_code=CREATED, operation_id="signIn", tags=["session"], summary="Sign in")
async def sign_in(request: Asked, services: Services) -> Response[SessionView]:
    """The session is in a cookie that scripts cannot read; it ends after 30 idle minutes, or 12 hours."""
    given = decode_body(await body_of(request), _sign_in)
    begun = await session_of_password(services, request.user.actor, given.name, given.password)
    return Response(
        _view(begun.session.user, begun.session), status_code=CREATED, headers={"set-cookie": begun.header}
    )


@get("/api/session", operation_id="whoAmI", tags=["session"], summary="Who one is")
async def who_am_i(request: Asked) -> SessionView:
    """By session or by token, with the session's CSRF token."""
    identity = request.user
    session = identity.session
    return SessionView(
        name=identity.name, roles=identity.role.split("+"), permissions=sorted(identity.permissions),
        csrf_token=session.csrf if session is not None else None,
        ends_at=moment(session.ends_us) if session is not None else None,
    )  # fmt: skip


@delete("/api/session", status_code=204, operation_id="signOut", tags=["session"], summary="Sign out")
async def sign_out(request: Asked, services: Services) -> Response[None]:
    """The session ends."""
    return Response(None, status_code=204, headers={"set-cookie": await end_session(services, request)})


HANDLERS: Final = (sign_in, who_am_i, sign_out)


async def session_of_password(services: WebServices, actor: Actor, name: str, password: str) -> Begun:
    """Sign somebody in by name and password; raises Refusal when they are wrong or came too often."""
    services.door.limits.take("sign_in", f"name:{name.casefold()}")
    accounts = services.accounts
    user = await services.store.read(lambda transaction: accounts.users.find(transaction, name))
    right = await accounts.passwords.check(user.password_hash if user is not None else None, password)
    if user is None or user.disabled or not right:
        raise unauthenticated("Name or password are wrong.", "Bearer")
    fresh = None
    if user.password_hash is not None and accounts.passwords.stale(user.password_hash):
        fresh = await accounts.passwords.make(password)
    return await begin_session(services, actor, user, fresh)


async def begin_session(
    services: WebServices, actor: Actor, user: User, fresh_hash: str | None = None
) -> Begun:
    """A session for somebody who has shown who they are; `fresh_hash` replaces that of their password."""
    accounts, now_us = services.accounts, services.clock.now_us()
    actor = actor._replace(name=user.name, role="+".join(user.roles))

    def begin(transaction: StoreTransaction) -> tuple[str, Session]:
        if fresh_hash is not None:
            accounts.users.change(transaction, user, now_us, password_hash=fresh_hash)
        accounts.sessions.sweep(transaction, now_us)
        record(
            transaction,
            at_us=now_us,
            actor=actor,
            action="session.begun",
            object_type="user",
            object_id=user.id,
        )
        return accounts.sessions.begin(transaction, user, now_us)

    cookie, session = await services.store.write(begin)
    seconds = (session.ends_us - now_us) // MICROSECOND
    return Begun(session, _cookie(services, cookie, seconds))


async def end_session(services: WebServices, request: Asked) -> str:
    """End the session of a request, if it has one; returns the header that takes the cookie away."""
    cookie = cookie_of(read_headers(cast(Scope, request.scope)))
    if cookie is not None:
        now_us = services.clock.now_us()

        def end(transaction: StoreTransaction) -> None:
            services.accounts.sessions.end(transaction, cookie)
            record(
                transaction, at_us=now_us, actor=request.user.actor,
                action="session.ended", object_type="user", object_id=request.user.user_id or request.user.name,
            )  # fmt: skip

        await services.store.write(end)
    return _cookie(services, "", 0)


def _view(user: User, session: Session) -> SessionView:
    return SessionView(
        name=user.name, roles=user.roles, permissions=sorted(user.permissions), csrf_token=session.csrf,
        ends_at=to_datetime(session.ends_us),
    )  # fmt: skip


def _cookie(services: WebServices, value: str, seconds: int) -> str:
    secure = "" if services.local else "; Secure"
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"

"""`/api/users` and `/api/tokens`: who gets in, and with what. A token is shown once, when it is made."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, QueryParameter

from postroom.accounts import AccountInvalid, Permission, Role, TokenRecord, User
from postroom.accounts.tokens import DAYS_DEFAULT, DAYS_MAX
from postroom.audit import record
from postroom.kit.clock import to_datetime
from postroom.store import StoreTransaction
from postroom.web.auth import needs, require
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.moments import moment
from postroom.web.paging import read_choice, read_cursor, read_limit
from postroom.web.people import etag, seen_version
from postroom.web.problems import NOT_FOUND, REQUEST_INVALID, FieldProblem, Kind, Refusal
from postroom.web.services import WebServices

T = TypeVar("T")

MANAGES: Final = [needs(Permission.MANAGE_USERS)]
CREATED: Final = 201
USER_MOVED: Final = Kind("version-moved", 412, "The user has changed meanwhile")


class UserView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody with an account."""

    user_id: str
    name: str
    display_name: str
    email: str | None
    roles: Sequence[str]
    disabled: bool
    has_password: bool
    created_at: datetime


class UserPage(msgspec.Struct, frozen=True):
    """Some users, newest first."""

    users: Sequence[UserView]
    next: str | None


class NewUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A user to be made."""

    name: str
    roles: list[str]
    display_name: str = ""
    email: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"NewUser({self.name!r})"


class ChangedUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to be different."""

    roles: list[str] | None = None
    display_name: str | None = None
    email: str | None = None
    disabled: bool | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return "ChangedUser()"


class TokenView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token without its secret."""

    token_id: str
    start: str
    """Its first characters."""
    user_id: str
    label: str
    scopes: Sequence[str] | None
    """The permissions that it is limited to; null for all of its owner's."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    """About when it was last used."""
    revoked_at: datetime | None


class NewTokenView(TokenView, frozen=True, kw_only=True, rename="camel"):
    """A token with its secret, shown this once."""

    token: str


class TokenPage(msgspec.Struct, frozen=True):
    """Some tokens, newest first."""

    tokens: Sequence[TokenView]
    next: str | None


class NewToken(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A token to be made."""

    label: str
    user: str | None = None
    """The name of its owner; by default oneself."""
    scopes: list[str] | None = None
    expires_days: Annotated[int, msgspec.Meta(ge=1, le=DAYS_MAX)] = DAYS_DEFAULT


_new_user = msgspec.json.Decoder(NewUser)
_changed_user = msgspec.json.Decoder(ChangedUser)
_new_token = msgspec.json.Decoder(NewToken)

Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[str | None, QueryParameter(description="How many: 1 to 100, by default 20.")]


@get("/api/users", guards=MANAGES, operation_id="listUsers", tags=["users"], summary="List users")
async def list_users(
    services: Services,
    role: Annotated[
        str | None,
        QueryParameter(description="Only those with this role.", schema_extra={"enum": list(Role)}),
    ] = None,
    disabled: Annotated[str | None, QueryParameter(description="`yes` or `no`; by default both.")] = None,
    before: Before = None,
    limit: Limit = None,
) -> UserPage:
    """Everybody with an account, newest first."""
    count, cursor = read_limit(limit), read_cursor(before)
    users, given = services.accounts.users, read_choice("disabled", disabled, ("yes", "no"))
    wanted: dict[str, Any] = {
        "role": read_choice("role", role, tuple(Role)), "disabled": None if given is None else given == "yes",
    }  # fmt: skip
    found = await services.store.read(lambda t: users.page(t, cursor, count + 1, **wanted))
    return UserPage(
        [user_view(one) for one in found[:count]], str(found[count - 1].seq) if len(found) > count else None
    )


@post(
    "/api/users",
    guards=MANAGES,
    status_code=CREATED,
    operation_id="createUser",
    tags=["users"],
    summary="Make a user",
)
async def create_user(request: Asked, services: Services) -> Response[UserView]:
    """An account with roles, and a password where they sign in locally."""
    new = decode_body(await body_of(request), _new_user)
    hashed = await _hash(services, new.password)
    actor, now_us = request.user.actor, services.clock.now_us()

    def make(transaction: StoreTransaction) -> User:
        made = services.accounts.users.create(
            transaction, name=new.name, roles=new.roles, display_name=new.display_name, email=new.email,
            password_hash=hashed, now_us=now_us,
        )  # fmt: skip
        record(
            transaction, at_us=now_us, actor=actor, action="user.created", object_type="user", object_id=made.id,
            details={"name": made.name, "roles": list(made.roles)},
        )  # fmt: skip
        return made

    made = await _acting(services, make)
    headers = {"location": f"/api/users/{made.id}", "etag": etag(made.version)}
    return Response(user_view(made), status_code=CREATED, headers=headers)


@get("/api/users/{user_id:str}", guards=MANAGES, operation_id="getUser", tags=["users"], summary="One user")
async def get_user(user_id: FromPath[str], services: Services) -> Response[UserView]:
    """By id."""
    found = await services.store.read(lambda t: services.accounts.users.by_id(t, user_id))
    if found is None:
        raise Refusal(NOT_FOUND, "There is no user with that id.")
    return Response(user_view(found), headers={"etag": etag(found.version)})


@patch(
    "/api/users/{user_id:str}",
    guards=MANAGES,
    operation_id="changeUser",
    tags=["users"],
    summary="Change a user",
)
async def change_user(user_id: FromPath[str], request: Asked, services: Services) -> Response[UserView]:
    """Who is disabled or gets a new password is signed out everywhere. `If-Match` guards against another's change."""
    changes = decode_body(await body_of(request), _changed_user)
    seen = seen_version(request, required=False)
    hashed = await _hash(services, changes.password)
    actor, now_us = request.user.actor, services.clock.now_us()

    def change(transaction: StoreTransaction) -> User:
        users = services.accounts.users
        before = users.by_id(transaction, user_id)
        if before is None:
            raise Refusal(NOT_FOUND, "There is no user with that id.")
        if seen is not None and seen != before.version:
            raise Refusal(USER_MOVED, "Look at it again.", headers={"etag": etag(before.version)})
        after = users.change(
            transaction, before, now_us, roles=changes.roles, display_name=changes.display_name, email=changes.email,
            disabled=changes.disabled, password_hash=hashed,
        )  # fmt: skip
        details = {
            "name": after.name, "roles": list(after.roles), "disabled": after.disabled, "password": hashed is not None,
        }  # fmt: skip
        record(
            transaction, at_us=now_us, actor=actor, action="user.changed", object_type="user", object_id=after.id,
            details=details,
        )  # fmt: skip
        return after

    changed = await _acting(services, change)
    return Response(user_view(changed), headers={"etag": etag(changed.version)})


@get("/api/tokens", operation_id="listTokens", tags=["users"], summary="List API tokens")
async def list_tokens(
    request: Asked,
    services: Services,
    user: Annotated[str | None, QueryParameter(description="Whose, by name; `*` for everybody's.")] = None,
    before: Before = None,
    limit: Limit = None,
) -> TokenPage:
    """One's own; those of others need the permission to manage users."""
    count, cursor = read_limit(limit), read_cursor(before)
    owner = request.user.user_id
    if user is not None:
        require(request.user, Permission.MANAGE_USERS)
        owner = None if user == "*" else await _id_of(services, user)
    elif owner is None:
        return TokenPage([], None)
    tokens = services.accounts.tokens
    found = await services.store.read(lambda transaction: tokens.page(transaction, owner, cursor, count + 1))
    return TokenPage(
        [TokenView(**_fields(one)) for one in found[:count]],
        str(found[count - 1].seq) if len(found) > count else None,
    )


@post(
    "/api/tokens",
    status_code=CREATED,
    operation_id="createToken",
    tags=["users"],
    summary="Make an API token",
)
async def create_token(request: Asked, services: Services) -> Response[NewTokenView]:
    """For oneself, or with the permission to manage users for anybody. Its secret is in this answer and nowhere else."""
    new = decode_body(await body_of(request), _new_token)
    if new.user is not None and new.user != request.user.name:
        require(request.user, Permission.MANAGE_USERS)
    owner_id = request.user.user_id if new.user is None else await _id_of(services, new.user)
    if owner_id is None:
        raise Refusal(
            REQUEST_INVALID, errors=[FieldProblem("user", "is needed: you have no account of your own")]
        )
    actor, now_us = request.user.actor, services.clock.now_us()

    def make(transaction: StoreTransaction) -> NewTokenView:
        owner = services.accounts.users.by_id(transaction, owner_id)
        assert owner is not None
        issued = services.accounts.tokens.issue(
            transaction, owner, label=new.label, scopes=new.scopes, days=new.expires_days, now_us=now_us
        )
        record(
            transaction, at_us=now_us, actor=actor, action="token.created", object_type="token",
            object_id=issued.record.id, details={"user": owner.name, "scopes": new.scopes, "days": new.expires_days},
        )  # fmt: skip
        return NewTokenView(token=issued.secret, **_fields(issued.record))

    return Response(await _acting(services, make), status_code=CREATED)


@delete(
    "/api/tokens/{token_id:str}", status_code=200, operation_id="revokeToken", tags=["users"],
    summary="Revoke an API token",
)  # fmt: skip
async def revoke_token(token_id: FromPath[str], request: Asked, services: Services) -> TokenView:
    """It ends at once in this process, and within five seconds in others."""
    actor, now_us = request.user.actor, services.clock.now_us()

    def end(transaction: StoreTransaction) -> TokenRecord:
        tokens = services.accounts.tokens
        found = tokens.find(transaction, token_id)
        if found is None:
            raise Refusal(NOT_FOUND, "There is no token with that id.")
        if found.user_id != request.user.user_id:
            require(request.user, Permission.MANAGE_USERS)
        if tokens.revoke(transaction, token_id, now_us):
            record(
                transaction,
                at_us=now_us,
                actor=actor,
                action="token.revoked",
                object_type="token",
                object_id=token_id,
            )
        after = tokens.find(transaction, token_id)
        assert after is not None
        return after

    return TokenView(**_fields(await _acting(services, end)))


HANDLERS: Final = (
    list_users, create_user, get_user, change_user, list_tokens, create_token, revoke_token,
)  # fmt: skip


def user_view(user: User) -> UserView:
    """A user as the API shows one."""
    return UserView(
        user_id=user.id, name=user.name, display_name=user.display_name, email=user.email, roles=user.roles,
        disabled=user.disabled, has_password=user.password_hash is not None, created_at=to_datetime(user.created_us),
    )  # fmt: skip


async def _acting(services: WebServices, act: Callable[[StoreTransaction], T]) -> T:
    """Do it in one transaction; who is let in is looked up anew from now on."""
    try:
        done = await services.store.write(act)
    except AccountInvalid as error:
        raise account_invalid(error) from None
    if services.gate is not None:
        services.gate.forget()
    return done


def account_invalid(error: AccountInvalid) -> Refusal:
    """The answer to an account or token that cannot be."""
    return Refusal(REQUEST_INVALID, errors=[FieldProblem(error.field, error.reason)])


async def _hash(services: WebServices, password: str | None) -> str | None:
    if password is None:
        return None
    try:
        return await services.accounts.passwords.make(password)
    except AccountInvalid as error:
        raise account_invalid(error) from None


async def _id_of(services: WebServices, name: str) -> str:
    found = await services.store.read(lambda transaction: services.accounts.users.find(transaction, name))
    if found is None:
        raise Refusal(NOT_FOUND, "There is no user of that name.")
    return found.id


def _fields(token: TokenRecord) -> dict[str, Any]:
    return {
        "token_id": token.id, "start": token.start, "user_id": token.user_id, "label": token.label,
        "scopes": token.scopes, "created_at": to_datetime(token.created_us),
        "expires_at": to_datetime(token.expires_us), "used_at": moment(token.used_us),
        "revoked_at": moment(token.revoked_us),
    }  # fmt: skip

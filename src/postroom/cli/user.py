"""`user ...` and `token ...`: who gets in, and with what, directly on the database file."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from postroom.accounts import AccountInvalid, Role, TokenRecord, User
from postroom.accounts.tokens import DAYS_DEFAULT, DAYS_MAX
from postroom.audit import record
from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, table
from postroom.kit.clock import isoformat, to_datetime
from postroom.store import StoreTransaction
from postroom.wiring import Application

T = TypeVar("T")
ALL = 1 << 62
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
password_option = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; by default it is asked for.",
)


@click.group(cls=CommandGroup)
def user() -> None:
    """Look after the people who get in."""


@click.group(cls=CommandGroup)
def token() -> None:
    """Look after API tokens."""


@user.command("create")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([str(role) for role in Role]),
    help="May be repeated.",
)
@click.option("--email", help="Also what a signed token of an issuer is recognised by.")
@click.option("--display-name", default="", help="What others see.")
@click.option("--no-password", is_flag=True, help="Gets in with tokens only.")
@password_option
@as_json_option
def create_user(
    name: str, roles: tuple[str, ...], email: str | None, display_name: str, no_password: bool, password_stdin: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Make a user NAME with one or more roles."""
    password = None if no_password else _ask_password(password_stdin)
    made = run(_create_user(name, roles, email, display_name, password))
    _show_user(made, as_json, f"{made.name} may sign in as {', '.join(made.roles)}")


@user.command("list")
@as_json_option
def list_users(as_json: bool) -> None:
    """List the users, newest first."""
    users = run(_reading(lambda app, transaction: app.accounts.users.page(transaction, ALL, 10_000)))
    if as_json:
        print_json([_user_facts(one) for one in users])
        return
    made = table("name", "roles", "email", "state", "made")
    for one in users:
        add(made, one.name, ", ".join(one.roles), one.email or "", "disabled" if one.disabled else "",
            ago(to_datetime(one.created_us)))  # fmt: skip
    screen().print(made if users else "no users; make one: postroom user create NAME --role admin")


@user.command("disable")
@click.argument("name")
def disable_user(name: str) -> None:
    """Let NAME in no more, by any way; what they did stays on record."""
    run(_change_user(name, disabled=True))
    click.echo(f"{name} does not get in any more")


@user.command("enable")
@click.argument("name")
def enable_user(name: str) -> None:
    """Let NAME in again."""
    run(_change_user(name, disabled=False))
    click.echo(f"{name} gets in again")


@user.command("roles")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([str(role) for role in Role]),
    help="May be repeated.",
)
def change_roles(name: str, roles: tuple[str, ...]) -> None:
    """Give NAME these roles and no others."""
    changed = run(_change_user(name, roles=list(roles)))
    click.echo(f"{name} is now {', '.join(changed.roles)}")


@user.command("password")
@click.argument("name")
@password_option
def change_password(name: str, password_stdin: bool) -> None:
    """Give NAME another password; they are signed out everywhere."""
    run(_change_user(name, password=_ask_password(password_stdin)))
    click.echo(f"{name} has a new password")


@token.command("create")
@click.argument("label")
@click.option("--for", "owner", required=True, help="The user whose token it is.")
@click.option("--scope", "scopes", multiple=True, help="A permission that it is limited to; may be repeated.")
@click.option("--expires-days", default=DAYS_DEFAULT, type=click.IntRange(1, DAYS_MAX), show_default=True)
@as_json_option
def create_token(label: str, owner: str, scopes: tuple[str, ...], expires_days: int, as_json: bool) -> None:
    """Make an API token; it is shown this once."""
    secret, made = run(_create_token(label, owner, scopes, expires_days))
    if as_json:
        print_json({**_token_facts(made), "token": secret})
        return
    click.echo(secret)
    click.echo(f"This is the only time it is shown. It ends on {isoformat(made.expires_us)}.", err=True)


@token.command("list")
@click.option("--for", "owner", help="Only those of a user.")
@as_json_option
def list_tokens(owner: str | None, as_json: bool) -> None:
    """List the API tokens, newest first."""
    tokens, names = run(_tokens(owner))
    if as_json:
        print_json([{**_token_facts(one), "user": names[one.user_id]} for one in tokens])
        return
    made = table("id", "starts with", "user", "label", "scopes", "last used", "ends")
    for one in tokens:
        used = ago(to_datetime(one.used_us)) if one.used_us is not None else "never"
        ends = "revoked" if one.revoked_us is not None else isoformat(one.expires_us)
        add(
            made,
            one.id,
            one.start,
            names[one.user_id],
            one.label,
            ", ".join(one.scopes or ["all"]),
            used,
            ends,
        )
    screen().print(made if tokens else "no tokens; make one: postroom token create LABEL --for USER")


@token.command("revoke")
@click.argument("token_id")
def revoke_token(token_id: str) -> None:
    """End a token; running services notice within five seconds."""
    if not run(_revoke(token_id)):
        raise Failure(f"there is no token {token_id} that is still good; `postroom token list` shows them")
    click.echo(f"{token_id} is revoked")


def _ask_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return given


async def _acting(act: Callable[[Application, StoreTransaction, int], T]) -> T:
    async with opened() as app:
        now_us = app.clock.now_us()
        try:
            return await app.store.write(lambda transaction: act(app, transaction, now_us))
        except AccountInvalid as error:
            raise Failure(str(error)) from None


async def _reading(look: Callable[[Application, StoreTransaction], T]) -> T:
    async with opened() as app:
        return await app.store.read(lambda transaction: look(app, transaction))


async def _create_user(
    name: str, roles: tuple[str, ...], email: str | None, display_name: str, password: str | None
) -> User:
    async with opened() as app:
        now_us = app.clock.now_us()

        def make(transaction: StoreTransaction) -> User:
            made = app.accounts.users.create(
                transaction, name=name, roles=roles, email=email, display_name=display_name, password_hash=hashed,
                now_us=now_us,
            )  # fmt: skip
            details: dict[str, Any] = {"name": made.name, "roles": list(made.roles)}
            _audit(transaction, now_us, "user.created", "user", made.id, details)
            return made

        try:
            hashed = await app.accounts.passwords.make(password) if password is not None else None
            return await app.store.write(make)
        except AccountInvalid as error:
            raise Failure(str(error)) from None


async def _change_user(name: str, *, password: str | None = None, **changes: Any) -> User:
    async with opened() as app:
        now_us = app.clock.now_us()

        def change(transaction: StoreTransaction) -> User:
            before = _known(app, transaction, name)
            after = app.accounts.users.change(transaction, before, now_us, password_hash=hashed, **changes)
            details: dict[str, Any] = {
                "name": after.name, "roles": list(after.roles), "disabled": after.disabled,
                "password": hashed is not None,
            }  # fmt: skip
            _audit(transaction, now_us, "user.changed", "user", after.id, details)
            return after

        try:
            hashed = await app.accounts.passwords.make(password) if password is not None else None
            return await app.store.write(change)
        except AccountInvalid as error:
            raise Failure(str(error)) from None


async def _create_token(
    label: str, owner: str, scopes: tuple[str, ...], days: int
) -> tuple[str, TokenRecord]:
    def make(app: Application, transaction: StoreTransaction, now_us: int) -> tuple[str, TokenRecord]:
        holder = _known(app, transaction, owner)
        issued = app.accounts.tokens.issue(
            transaction, holder, label=label, scopes=scopes or None, days=days, now_us=now_us
        )
        details: dict[str, Any] = {"user": holder.name, "scopes": list(scopes) or None, "days": days}
        _audit(transaction, now_us, "token.created", "token", issued.record.id, details)
        return issued.secret, issued.record

    return await _acting(make)


async def _tokens(owner: str | None) -> tuple[list[TokenRecord], dict[str, str]]:
    def look(app: Application, transaction: StoreTransaction) -> tuple[list[TokenRecord], dict[str, str]]:
        owner_id = None if owner is None else _known(app, transaction, owner).id
        names = {one.id: one.name for one in app.accounts.users.page(transaction, ALL, 10_000)}
        return app.accounts.tokens.page(transaction, owner_id, ALL, 10_000), names

    return await _reading(look)


async def _revoke(token_id: str) -> bool:
    def end(app: Application, transaction: StoreTransaction, now_us: int) -> bool:
        ended = app.accounts.tokens.revoke(transaction, token_id, now_us)
        if ended:
            _audit(transaction, now_us, "token.revoked", "token", token_id, {})
        return ended

    return await _acting(end)


def _known(app: Application, transaction: StoreTransaction, name: str) -> User:
    found = app.accounts.users.find(transaction, name)
    if found is None:
        raise AccountInvalid("user", f"{name!r} is unknown; `postroom user list` shows who there is")
    return found


def _audit(
    transaction: StoreTransaction,
    now_us: int,
    action: str,
    kind: str,
    object_id: str,
    details: dict[str, Any],
) -> None:
    record(
        transaction,
        at_us=now_us,
        actor=who(),
        action=action,
        object_type=kind,
        object_id=object_id,
        details=details,
    )


def _show_user(one: User, as_json: bool, words: str) -> None:
    if as_json:
        print_json(_user_facts(one))
    else:
        click.echo(words)


def _user_facts(one: User) -> dict[str, Any]:
    return {
        "userId": one.id, "name": one.name, "displayName": one.display_name, "email": one.email,
        "roles": list(one.roles), "disabled": one.disabled, "createdAt": isoformat(one.created_us),
    }  # fmt: skip


def _token_facts(one: TokenRecord) -> dict[str, Any]:
    facts = msgspec.structs.asdict(one)
    return {
        "tokenId": one.id, "start": one.start, "label": one.label, "scopes": facts["scopes"],
        "createdAt": isoformat(one.created_us), "expiresAt": isoformat(one.expires_us),
        "usedAt": isoformat(one.used_us), "revokedAt": isoformat(one.revoked_us),
    }  # fmt: skip

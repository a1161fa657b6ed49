"""Users: who somebody is, by what name, in which roles."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroom.accounts.errors import AccountInvalid
from postroom.accounts.roles import Permission, Role, permissions_of
from postroom.kit.ids import new_id
from postroom.store import StoreTransaction

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,190}")
DISPLAY_CHARS_MAX: Final = 100


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an account; `has_password` tells whether they can sign in with one."""

    seq: int
    id: str
    name: str
    display_name: str
    email: str | None
    roles: tuple[str, ...]
    disabled: bool
    created_us: int
    updated_us: int
    password_hash: str | None = None

    def __repr__(self) -> str:
        return f"User({self.name!r}, roles={self.roles!r})"

    @property
    def version(self) -> int:
        """Counts nothing, but differs after each change: the ETag."""
        return self.updated_us

    @property
    def permissions(self) -> frozenset[Permission]:
        """What their roles allow; nothing while they are disabled."""
        return frozenset() if self.disabled else permissions_of(self.roles)


class Users:
    """The table of users; every method runs inside a transaction of the caller's, who audits."""

    def create(
        self,
        transaction: StoreTransaction,
        *,
        name: str,
        roles: Sequence[str],
        now_us: int,
        display_name: str = "",
        email: str | None = None,
        password_hash: str | None = None,
    ) -> User:
        """A new user; raises AccountInvalid, also when the name or email is taken."""
        name = name.casefold()
        if NAME.fullmatch(name) is None:
            raise AccountInvalid(
                "name", "must have 1 to 64 characters of a-z, 0-9, dot, hyphen and underscore"
            )
        values = {
            "id": new_id(), "name": name, "display_name": _display(display_name or name), "email": _email(email),
            "roles": _roles(roles), "password_hash": password_hash, "now_us": now_us,
        }  # fmt: skip
        if self.find(transaction, name) is not None:
            raise AccountInvalid("name", "is taken; choose another, or change that user")
        if email is not None and self.by_email(transaction, email) is not None:
            raise AccountInvalid("email", "belongs to another user")
        transaction.run("insert_user", **values)
        made = self.find(transaction, name)
        assert made is not None
        return made

    def find(self, transaction: StoreTransaction, name: str) -> User | None:
        """The user of that name."""
        return _user(transaction.one("find_user_by_name", name=name.casefold()))

    def by_id(self, transaction: StoreTransaction, user_id: str) -> User | None:
        """The user of that id."""
        return _user(transaction.one("find_user", id=user_id))

    def by_email(self, transaction: StoreTransaction, email: str) -> User | None:
        """The user of that address."""
        return _user(transaction.one("find_user_by_email", email=email.casefold()))

    def page(
        self,
        transaction: StoreTransaction,
        before: int,
        limit: int,
        *,
        role: str | None = None,
        disabled: bool | None = None,
    ) -> list[User]:
        """Users, newest first; with that role, and disabled or not."""
        rows = transaction.all("list_users", before=before, limit=limit, role=role, disabled=disabled)
        return [found for row in rows if (found := _user(row)) is not None]

    def change(
        self,
        transaction: StoreTransaction,
        user: User,
        now_us: int,
        *,
        roles: Sequence[str] | None = None,
        display_name: str | None = None,
        email: str | None = None,
        disabled: bool | None = None,
        password_hash: str | None = None,
    ) -> User:
        """Change what is given. Who is disabled or has a new password is signed out everywhere; raises AccountInvalid."""
        other = self.by_email(transaction, email) if email is not None else None
        if other is not None and other.id != user.id:
            raise AccountInvalid("email", "belongs to another user")
        transaction.run(
            "change_user", id=user.id, now_us=now_us,
            roles=msgspec.json.encode(user.roles).decode() if roles is None else _roles(roles),
            display_name=user.display_name if display_name is None else _display(display_name),
            email=user.email if email is None else _email(email),
            disabled=user.disabled if disabled is None else disabled,
            password_hash=password_hash or user.password_hash,
        )  # fmt: skip
        if disabled or password_hash is not None:
            transaction.run("end_sessions_of_user", user_id=user.id)
        changed = self.by_id(transaction, user.id)
        assert changed is not None
        return changed


def _user(row: dict[str, Any] | None) -> User | None:
    if row is None:
        return None
    return msgspec.convert({**row, "roles": msgspec.json.decode(row["roles"])}, User, strict=False)


def _roles(roles: Sequence[str]) -> str:
    unknown = sorted(set(roles) - set(Role))
    if unknown or not roles:
        what = f"has {', '.join(unknown)}, which is none" if unknown else "must name at least one"
        raise AccountInvalid("roles", f"{what}; known: {', '.join(Role)}")
    return msgspec.json.encode(sorted(set(roles))).decode()


def _display(name: str) -> str:
    if not 0 < len(name) <= DISPLAY_CHARS_MAX or not name.isprintable():
        raise AccountInvalid("displayName", f"must have 1 to {DISPLAY_CHARS_MAX} printable characters")
    return name


def _email(email: str | None) -> str | None:
    if email is not None and EMAIL.fullmatch(email) is None:
        raise AccountInvalid("email", "must be an email address")
    return None if email is None else email.casefold()

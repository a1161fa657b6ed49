"""API tokens: shown once, stored as a digest, scoped, expiring, revocable.

A token is `pr_`, 32 random bytes and a checksum, so that scanners for leaked secrets can tell one without asking us.
"""

import hashlib
import secrets
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from postroom.accounts.errors import AccountInvalid
from postroom.accounts.roles import Permission
from postroom.accounts.users import User
from postroom.kit.clock import MICROSECOND
from postroom.kit.ids import new_id
from postroom.store import StoreTransaction

PREFIX: Final = "pr_"
DAYS_DEFAULT: Final = 90
DAYS_MAX: Final = 400
LABEL_CHARS_MAX: Final = 100
DAY_US: Final = 86_400 * MICROSECOND
USE_NOTED_US: Final = 3_600 * MICROSECOND
"""That a token was used is written at most this often."""
START_CHARS: Final = 9


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    seq: int
    id: str
    start: str
    user_id: str
    label: str
    scopes: tuple[str, ...] | None
    created_us: int
    expires_us: int
    used_us: int | None
    revoked_us: int | None


class IssuedToken(NamedTuple):
    """A new token, the only time that it is shown."""

    secret: str
    record: TokenRecord

    def __repr__(self) -> str:
        return f"IssuedToken(***, {self.record.id!r})"


class Holder(NamedTuple):
    """Who a token lets in, and to what."""

    user: User
    token: TokenRecord
    permissions: frozenset[Permission]


class Tokens:
    """The table of tokens; every method runs inside a transaction of the caller's, who audits."""

    def issue(
        self,
        transaction: StoreTransaction,
        user: User,
        *,
        label: str,
        now_us: int,
        scopes: Sequence[str] | None = None,
        days: int = DAYS_DEFAULT,
    ) -> IssuedToken:
        """A new token for a user; raises AccountInvalid for a label, scope or lifetime that cannot be."""
        if not 0 < len(label) <= LABEL_CHARS_MAX or not label.isprintable():
            raise AccountInvalid("label", f"must have 1 to {LABEL_CHARS_MAX} printable characters")
        if not 1 <= days <= DAYS_MAX:
            raise AccountInvalid("expiresDays", f"must be from 1 to {DAYS_MAX} days")
        if scopes is not None:
            _check_scopes(scopes, user)
        secret = new_secret()
        id_ = new_id()
        transaction.run(
            "insert_token", id=id_, digest=digest(secret), start=secret[:START_CHARS], user_id=user.id, label=label,
            scopes=None if scopes is None else msgspec.json.encode(sorted(set(scopes))).decode(), now_us=now_us,
            expires_us=now_us + days * DAY_US,
        )  # fmt: skip
        record = self.find(transaction, id_)
        assert record is not None
        return IssuedToken(secret, record)

    def find(self, transaction: StoreTransaction, token_id: str) -> TokenRecord | None:
        """The token of that id."""
        row = transaction.one("find_token", id=token_id)
        return None if row is None else _record(row)

    def page(
        self, transaction: StoreTransaction, user_id: str | None, before: int, limit: int
    ) -> list[TokenRecord]:
        """Tokens, newest first; those of one user, or everybody's."""
        rows = transaction.all("list_tokens", user_id=user_id, before=before, limit=limit)
        return [_record(row) for row in rows]

    def revoke(self, transaction: StoreTransaction, token_id: str, now_us: int) -> bool:
        """End a token now; False when it was ended before."""
        return bool(transaction.run("revoke_token", id=token_id, now_us=now_us))

    def holder(self, transaction: StoreTransaction, token_digest: str, now_us: int) -> Holder | None:
        """Who the token lets in; None when it lets nobody in (any more)."""
        row = transaction.one("find_token_by_digest", digest=token_digest)
        if row is None or row["revoked_us"] is not None or row["expires_us"] <= now_us:
            return None
        found = transaction.one("find_user", id=row["user_id"])
        if found is None or found["disabled"]:
            return None
        user = msgspec.convert({**found, "roles": msgspec.json.decode(found["roles"])}, User, strict=False)
        record = _record(row)
        allowed = user.permissions
        scopes = (
            allowed if record.scopes is None else allowed & {Permission(scope) for scope in record.scopes}
        )
        return Holder(user, record, scopes)


def new_secret() -> str:
    """A token."""
    raw = secrets.token_bytes(32)
    check = zlib.crc32(raw).to_bytes(4, "big")
    return PREFIX + urlsafe_b64encode(raw + check).decode().rstrip("=")


def digest(secret: str) -> str:
    """What is stored of a token; it is random enough to need no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check_scopes(scopes: Sequence[str], user: User) -> None:
    unknown = sorted(set(scopes) - set(Permission))
    if unknown:
        raise AccountInvalid(
            "scopes", f"has {', '.join(unknown)}, which is none; known: {', '.join(Permission)}"
        )
    beyond = sorted(set(scopes) - set(user.permissions))
    if beyond:
        raise AccountInvalid("scopes", f"has {', '.join(beyond)}, which {user.name} may not do")
    if not scopes:
        raise AccountInvalid("scopes", "must name at least one, or be left out for all that the user may do")


def _record(row: dict[str, Any]) -> TokenRecord:
    scopes = None if row["scopes"] is None else tuple(msgspec.json.decode(row["scopes"]))
    return msgspec.convert({**row, "scopes": scopes}, TokenRecord)

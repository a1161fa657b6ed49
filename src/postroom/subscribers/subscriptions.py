"""The table of subscriptions; every method runs inside a transaction of the caller's, who audits."""

import secrets
from base64 import b64encode
from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from postroom.kit.ids import new_id
from postroom.store import StoreTransaction
from postroom.store.vault import Sealing

URL_CHARS_MAX: Final = 2_000
COUNT_MAX: Final = 50
"""Each is asked at every move of every message."""


class SubscriptionInvalid(ValueError):
    """A subscription that cannot be: `field` and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told."""

    seq: int
    id: str
    url: str
    states: tuple[str, ...]
    """The states that are told of; none: all."""
    active: bool
    created_us: int
    code: str | None
    succeeded_us: int | None
    failed_us: int | None
    secret: str = ""

    def __repr__(self) -> str:
        return f"Subscription({self.id!r})"


class Subscriptions:
    """See the module."""

    def __init__(self, vault: Sealing, states: Collection[str]) -> None:
        """`states` are those that there are."""
        self._vault = vault
        self._states = frozenset(states)

    def create(
        self, transaction: StoreTransaction, url: str, states: Sequence[str], now_us: int
    ) -> Subscription:
        """A new one, with a secret of its own. Raises SubscriptionInvalid."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or len(url) > URL_CHARS_MAX:
            raise SubscriptionInvalid("url", f"must be https://..., with at most {URL_CHARS_MAX} characters")
        unknown = sorted(set(states) - self._states)
        if unknown:
            raise SubscriptionInvalid(
                "states", f"has {', '.join(unknown)}; known: {', '.join(sorted(self._states))}"
            )
        if len(self.all(transaction)) >= COUNT_MAX:
            raise SubscriptionInvalid("url", f"is one too many: there may be {COUNT_MAX} subscriptions")
        id_ = new_id()
        secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        sealed = self._vault.seal_all(transaction, _owner(id_), {"secret": secret})["secret"]
        transaction.run(
            "insert_subscription", id=id_, url=url, states=msgspec.json.encode(sorted(set(states))).decode(),
            secret=sealed, now_us=now_us,
        )  # fmt: skip
        made = self.find(transaction, id_)
        assert made is not None
        return made

    def find(self, transaction: StoreTransaction, subscription_id: str) -> Subscription | None:
        """The subscription of that id, with its secret."""
        row = transaction.one("find_subscription", id=subscription_id)
        return None if row is None else self._opened(transaction, row)

    def all(self, transaction: StoreTransaction) -> list[Subscription]:
        """Every subscription, oldest first, without secrets."""
        return [_subscription(row) for row in transaction.all("list_subscriptions")]

    def activate(self, transaction: StoreTransaction, subscription_id: str, active: bool) -> bool:
        """Begin or stop telling; False when there is none."""
        return bool(transaction.run("activate_subscription", id=subscription_id, active=active))

    def delete(self, transaction: StoreTransaction, subscription_id: str) -> bool:
        """Forget it; False when there is none."""
        return bool(transaction.run("delete_subscription", id=subscription_id))

    def note(
        self, transaction: StoreTransaction, subscription_id: str, code: str, ok: bool, now_us: int
    ) -> None:
        """How the last attempt ended."""
        transaction.run("note_subscription", id=subscription_id, code=code, ok=ok, now_us=now_us)

    def _opened(self, transaction: StoreTransaction, row: dict[str, Any]) -> Subscription:
        secret = self._vault.open_all(transaction, _owner(row["id"]), {"secret": row["secret"]})["secret"]
        return msgspec.structs.replace(_subscription(row), secret=secret)


def _owner(subscription_id: str) -> str:
    """Whose data key seals the secret."""
    return f"subscription:{subscription_id}"


def _subscription(row: dict[str, Any]) -> Subscription:
    states = tuple(msgspec.json.decode(row["states"]))
    return msgspec.convert({**row, "states": states, "secret": ""}, Subscription, strict=False)

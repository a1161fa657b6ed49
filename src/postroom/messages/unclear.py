"""What people wrote to us that may be a wish and is no keyword: kept until a colleague has read it and decided.

Opting out by any reasonable words counts (47 CFR 64.1200(a)(10)), so what a program cannot tell is not ignored.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from postroom.audit import record as audit
from postroom.kit.actor import Actor
from postroom.kit.ids import new_id
from postroom.messages.suppressions import Source, Suppressions
from postroom.store import StoreTransaction
from postroom.store.vault import Sealing

Decision: TypeAlias = Literal["stop", "start", "none"]
TEXT_CHARS_MAX: Final = 2_000
"""More of a message is not kept: a wish is said in fewer words."""


class UnclearWish(NamedTuple):
    """One of them, opened."""

    seq: int
    id: str
    channel: str
    address: str
    text: str
    at_us: int

    def __repr__(self) -> str:
        return f"UnclearWish({self.id!r}, {self.channel!r})"


class NoSuchWish(LookupError):
    """There is none with that id, or somebody has decided it already."""


class UnclearWishes:
    """The table; every method runs inside a transaction of the caller's."""

    def __init__(self, vault: Sealing, suppressions: Suppressions) -> None:
        self._vault = vault
        self._suppressions = suppressions

    def add(
        self, transaction: StoreTransaction, channel: str, address: str, text: str, evidence: str, now_us: int
    ) -> bool:
        """Keep it for a colleague; `evidence` names the provider's event. False when it is known already."""
        if transaction.one("find_unclear_by_evidence", evidence=evidence) is not None:
            return False
        id_ = new_id()
        sealed = self._vault.seal_all(
            transaction, _owner(id_), {"address": address, "text": text[:TEXT_CHARS_MAX]}
        )
        transaction.run(
            "insert_unclear_wish", id=id_, channel=channel, evidence=evidence, at_us=now_us, **sealed
        )
        return True

    def page(self, transaction: StoreTransaction, after: int, limit: int) -> list[UnclearWish]:
        """Those that nobody has decided, oldest first."""
        rows = transaction.all("list_unclear_wishes", after=after, limit=limit)
        return [self._opened(transaction, row) for row in rows]

    def decide(
        self, transaction: StoreTransaction, wish_id: str, decision: Decision, actor: Actor, now_us: int
    ) -> None:
        """What the person meant: to get nothing more on this channel, to get messages again, or neither.

        Raises NoSuchWish.
        """
        row = transaction.one("find_unclear_wish", id=wish_id)
        if row is None or row["decision"] is not None:
            raise NoSuchWish("there is no such message, or it has been decided already")
        wish = self._opened(transaction, row)
        transaction.run(
            "decide_unclear_wish", id=wish_id, decision=decision, decided_by=actor.name, now_us=now_us
        )
        # The words are the person's own, whoever understood them.
        if decision == "stop":
            self._suppressions.suppress(
                transaction, wish.channel, wish.address, None, Source.STOP_KEYWORD, actor=actor, now_us=now_us,
                evidence=wish_id,
            )  # fmt: skip
        elif decision == "start":
            self._suppressions.allow(
                transaction, wish.channel, wish.address, None, Source.START_KEYWORD, actor=actor, now_us=now_us,
                evidence=wish_id,
            )  # fmt: skip
        audit(
            transaction, at_us=now_us, actor=actor, action="wish.decided", object_type="unclear_wish",
            object_id=wish_id, details={"decision": decision},
        )  # fmt: skip

    def _opened(self, transaction: StoreTransaction, row: Mapping[str, Any]) -> UnclearWish:
        sealed = {name: row[name] for name in ("address", "text")}
        known = {**row, **self._vault.open_all(transaction, _owner(row["id"]), sealed)}
        return UnclearWish(**{name: known[name] for name in UnclearWish._fields})


def _owner(wish_id: str) -> str:
    return f"unclear/{wish_id}"

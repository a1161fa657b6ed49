"""Legal holds: what they name stays, whatever a cleanup is told, until somebody lifts them. Both are on record."""

from collections.abc import Callable
from typing import Any, Final

from postroom.audit import record
from postroom.kit.actor import Actor
from postroom.kit.ids import new_id
from postroom.store import StoreTransaction

KINDS: Final = ("message", "job", "recipient", "user")


class HoldInvalid(ValueError):
    """A hold that there cannot be; the text says why and quotes no recipient."""


def hold(
    transaction: StoreTransaction, kind: str, value: str, reason: str, *, actor: Actor, now_us: int,
    index: Callable[[str], str],
) -> str:  # fmt: skip
    """Hold a message, a job, everything to a recipient, or everything of a user; returns the hold's id.

    A recipient is kept as its reference, made by `index`. Raises HoldInvalid.
    """
    if kind not in KINDS:
        raise HoldInvalid(f"a hold is on one of: {', '.join(KINDS)}")
    if not value or not reason.strip():
        raise HoldInvalid("a hold needs what it is on and a reason")
    id_, kept = new_id(), index(value) if kind == "recipient" else value
    transaction.run(
        "insert_legal_hold", id=id_, kind=kind, value=kept, reason=reason, actor=actor.name, now_us=now_us
    )
    record(
        transaction, at_us=now_us, actor=actor, action="hold.placed", object_type="hold", object_id=id_,
        details={"kind": kind, "value": kept},
    )  # fmt: skip
    return id_


def lift(transaction: StoreTransaction, id_: str, *, actor: Actor, now_us: int) -> bool:
    """Lift a hold; False when there is none that stands."""
    if not transaction.run("lift_legal_hold", id=id_, actor=actor.name, now_us=now_us):
        return False
    record(transaction, at_us=now_us, actor=actor, action="hold.lifted", object_type="hold", object_id=id_)
    return True


def holds(transaction: StoreTransaction, *, history: bool = False) -> list[dict[str, Any]]:
    """Those that stand, or all there ever were."""
    return transaction.all("list_legal_holds", history=history)

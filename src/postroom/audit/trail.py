"""Writing entries of the trail, in the transaction of what they tell of.

Details hold ids, counts and names of settings, never a recipient or a content. The chain is the store's
(`StoreTransaction.chain`); the entry before is read in the same transaction, so the numbers have no gaps. All entries
of a transaction are chained just before its commit: who appends has the head of the trail until then, and others wait.
"""

from typing import Any, Final

import msgspec

from postroom.audit.chain import GENESIS
from postroom.kit.actor import Actor
from postroom.store import StoreTransaction

HEAD: Final = "audit"
"""What who appends has to itself until the commit."""


def record(
    transaction: StoreTransaction,
    *,
    at_us: int,
    actor: Actor | str,
    action: str,
    object_type: str,
    object_id: str,
    details: dict[str, Any] | None = None,
    before_sha256: str | None = None,
    after_sha256: str | None = None,
) -> None:
    """Append an entry; it exists if and only if the transaction commits."""
    who = actor if isinstance(actor, Actor) else Actor(actor)
    chain = transaction.chain
    row: dict[str, Any] = {
        "at_us": at_us, "actor": who.name, "actor_role": who.role, "address": chain.address(who.address),
        "action": action, "object_type": object_type, "object_id": object_id, "request_id": who.request_id,
        "before_sha256": before_sha256, "after_sha256": after_sha256,
        "details": msgspec.json.encode(details or {}).decode(), "key_id": chain.key_id,
    }  # fmt: skip
    # What is hashed must be what is stored, and PostgreSQL's text has no NUL.
    row = {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value
        for name, value in row.items()
    }
    transaction.at_end(HEAD, _append, row)


def _append(transaction: StoreTransaction, rows: list[dict[str, Any]]) -> None:
    transaction.lock(HEAD)
    seq, last = _last(transaction)
    chained = []
    for number, row in enumerate(rows, seq + 1):
        entry = {**row, "seq": number}
        last = transaction.chain.hash(last, entry)
        chained.append({**entry, "hash": last})
    transaction.run_many("append_audit", chained)


def _last(transaction: StoreTransaction) -> tuple[int, str]:
    row = transaction.one("last_audit_hash")
    if row is not None:
        return row["seq"], row["hash"] or GENESIS
    anchor = transaction.one("last_anchor")
    return (anchor["seq"], anchor["hash"]) if anchor is not None else (0, GENESIS)

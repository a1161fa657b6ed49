"""Writing entries of the trail, in the transaction of what they tell of.

Details hold ids, counts and names of settings, never a recipient or a content.
"""

from typing import Any

import msgspec

from postroom.kit.actor import Actor
from postroom.store import StoreTransaction


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
    hashes = {"beforeSha256": before_sha256, "afterSha256": after_sha256}
    details = {**(details or {}), **{name: value for name, value in hashes.items() if value is not None}}
    transaction.run(
        "append_audit",
        at_us=at_us,
        actor=actor.name if isinstance(actor, Actor) else actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        details=msgspec.json.encode(details or {}).decode(),
    )

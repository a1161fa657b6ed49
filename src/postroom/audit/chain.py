"""The chain: a keyed hash from each entry to the one before it, so that nobody without the key can change the past.

`hash = HMAC-SHA256(key, hash before || entry)`, the entry as JSON with sorted keys and without floats (RFC 8785). The key
is not in the database. Several keys may be known: the first makes new hashes, all of them verify.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

GENESIS: Final = "0" * 64
"""What the first chained entry is chained to."""
CHAINED: Final = (
    "seq", "at_us", "actor", "actor_role", "address", "action", "object_type", "object_id", "request_id",
    "before_sha256", "after_sha256", "details", "key_id",
)  # fmt: skip
ANCHORED: Final = ("seq", "first_seq", "count", "hash", "kind", "at_us", "key_id")
ADDRESS_CHARS: Final = 16

_canonical = msgspec.json.Encoder(order="sorted").encode


class Key(NamedTuple):
    """A secret and what entries call it."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id!r}, ***)"

    @classmethod
    def of(cls, secret: bytes) -> "Key":
        """A key whose id follows from its secret."""
        return cls(hashlib.sha256(b"postroom audit key id" + secret).hexdigest()[:8], secret)


class Chain:
    """Makes and checks hashes."""

    def __init__(self, keys: Sequence[Key]) -> None:
        """Raises ValueError without a key."""
        if not keys:
            raise ValueError("the audit trail needs a key")
        self._keys = {key.id: key for key in keys}
        self._newest = keys[0]
        self._addresses = hmac.digest(self._newest.secret, b"addresses", "sha256")

    @property
    def key_id(self) -> str:
        """The key of new entries."""
        return self._newest.id

    def hash(self, before: str, row: Mapping[str, Any]) -> str:
        """The hash of an entry; raises KeyError for a key that is not known."""
        entry = _canonical({name: row[name] for name in CHAINED})
        return hmac.digest(self._keys[row["key_id"]].secret, before.encode() + entry, "sha256").hex()

    def seal(self, anchor: Mapping[str, Any]) -> str:
        """The seal of an anchor; raises KeyError for a key that is not known."""
        entry = _canonical({name: anchor[name] for name in ANCHORED})
        return hmac.digest(self._keys[anchor["key_id"]].secret, b"anchor" + entry, "sha256").hex()

    def address(self, address: str | None) -> str | None:
        """A network address as the trail has it: the same for the same one, and no way back without the key."""
        if address is None:
            return None
        return hmac.digest(self._addresses, address.encode(), "sha256").hex()[:ADDRESS_CHARS]

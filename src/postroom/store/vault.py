"""Encryption at rest: recipients and contents are unreadable in the file, and can be made unreadable for ever.

AES-256-GCM. Each message has a data key, wrapped by a master key; a field is bound to its message and its name, so that
ciphertexts cannot be swapped. Rotation wraps the data keys anew and touches no content. Deleting a data key shreds its
message. Bodies in the queue carry a wrapped key of their own. Keys for other purposes are derived (HKDF, RFC 5869).
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from postroom.store.transaction import StoreTransaction

PREFIX: Final = "v1."
"""Of a sealed field; one without it was stored before there was a key."""
BODY_PREFIX: Final = b"\x00pr1"
"""Of a sealed body; JSON cannot begin like that."""
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
INDEX_CHARS: Final = 32


class VaultError(Exception):
    """Something sealed cannot be opened; the text says why and nothing of what it held."""


class Shredded(VaultError):
    """Its key was deleted on purpose: nobody can read it any more."""


class MasterKey(NamedTuple):
    """A secret that wraps data keys, and what they call it."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id!r}, ***)"


class Sealing(Protocol):
    """What a vault does; `NoVault` does nothing."""

    def seal_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields of a message as they are stored."""

    def open_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields as they were. Raises VaultError."""

    def index(self, value: str) -> str:
        """A blind index: the same for the same value, and no way back."""

    def seal_body(self, body: bytes) -> bytes:
        """A body as it lies in the queue."""

    def open_body(self, body: bytes) -> bytes:
        """The body as it was. Raises VaultError."""


class NoVault:
    """Stores plainly. The index is a plain digest: it finds, and hides nothing from who can guess."""

    def seal_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """As they are."""
        return dict(fields)

    def open_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """As they are; raises VaultError for what was sealed with a key."""
        for text in fields.values():
            if text.startswith(PREFIX):
                raise VaultError(
                    "it was sealed with a key, and none is configured: set POSTROOM_ENCRYPTION_KEYS"
                )
        return dict(fields)

    def index(self, value: str) -> str:
        """A digest."""
        return hmac.digest(b"postroom", value.casefold().encode(), "sha256").hex()[:INDEX_CHARS]

    def seal_body(self, body: bytes) -> bytes:
        """As it is."""
        return body

    def open_body(self, body: bytes) -> bytes:
        """As it is; raises VaultError for one that was sealed."""
        if body.startswith(BODY_PREFIX):
            raise VaultError("it was sealed with a key, and none is configured: set POSTROOM_ENCRYPTION_KEYS")
        return body


class Vault:
    """Seals with the first master key, opens with any."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        """Raises ValueError without a key, for one of another length, or for two with one id."""
        if not keys or len({key.id for key in keys}) < len(keys):
            raise ValueError("the vault needs master keys, each with an id of its own")
        if any(len(key.secret) != KEY_BYTES for key in keys):
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._newest = keys[0].id
        self._wrapping = {key.id: AESGCM(_derived(key.secret, b"wrap")) for key in keys}
        # The index must outlive rotation, so it comes from the oldest key.
        self._index = _derived(keys[-1].secret, b"index")

    def seal_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields of a message, sealed with its data key, which is made when there is none."""
        key = AESGCM(self._data_key(transaction, message_id) or self._new_key(transaction, message_id))
        return {name: _seal(key, text, _bound(message_id, name)) for name, text in fields.items()}

    def open_all(
        self, transaction: StoreTransaction, message_id: str, fields: Mapping[str, str]
    ) -> dict[str, str]:
        """The fields as they were; what was stored before there was a key comes as it is. Raises VaultError."""
        if not any(text.startswith(PREFIX) for text in fields.values()):
            return dict(fields)
        secret = self._data_key(transaction, message_id)
        if secret is None:
            raise Shredded("the message's key has been deleted, so nobody can read it any more")
        key = AESGCM(secret)
        return {
            name: _open(key, text, _bound(message_id, name)) if text.startswith(PREFIX) else text
            for name, text in fields.items()
        }

    def shred(self, transaction: StoreTransaction, message_id: str) -> bool:
        """Delete a message's key: what it said is gone, here and in every copy of the file made from now on."""
        return bool(transaction.run("delete_message_key", message_id=message_id))

    def rotate(self, transaction: StoreTransaction, limit: int = 500) -> int:
        """Wrap up to so many data keys with the newest master key; returns how many there were."""
        rows = transaction.all("stale_message_keys", key_id=self._newest, limit=limit)
        for row in rows:
            secret = self._unwrap(row["key_id"], row["wrapped"], row["message_id"].encode())
            transaction.run(
                "write_message_key", message_id=row["message_id"], key_id=self._newest,
                wrapped=self._wrap(secret, row["message_id"].encode()),
            )  # fmt: skip
        return len(rows)

    def index(self, value: str) -> str:
        """A keyed digest of the value without regard to case."""
        return hmac.digest(self._index, value.casefold().encode(), "sha256").hex()[:INDEX_CHARS]

    def seal_body(self, body: bytes) -> bytes:
        """The body under a key of its own, which is wrapped beside it."""
        secret, nonce = AESGCM.generate_key(256), os.urandom(NONCE_BYTES)
        id_ = self._newest.encode()
        wrapped = self._wrap(secret, b"body")
        head = BODY_PREFIX + bytes((len(id_), len(wrapped))) + id_ + wrapped
        return head + nonce + AESGCM(secret).encrypt(nonce, body, head)

    def open_body(self, body: bytes) -> bytes:
        """The body as it was; one that was never sealed comes as it is. Raises VaultError."""
        if not body.startswith(BODY_PREFIX):
            return body
        start = len(BODY_PREFIX) + 2
        ids, wrapped = body[start - 2], body[start - 1]
        id_, end = body[start : start + ids], start + ids + wrapped
        secret = self._unwrap(id_.decode("ascii", "replace"), body[start + ids : end], b"body")
        try:
            return AESGCM(secret).decrypt(
                body[end : end + NONCE_BYTES], body[end + NONCE_BYTES :], body[:end]
            )
        except InvalidTag:
            raise VaultError("the sealed body was changed") from None

    def _data_key(self, transaction: StoreTransaction, message_id: str) -> bytes | None:
        row = transaction.one("find_message_key", message_id=message_id)
        return None if row is None else self._unwrap(row["key_id"], row["wrapped"], message_id.encode())

    def _new_key(self, transaction: StoreTransaction, message_id: str) -> bytes:
        secret = AESGCM.generate_key(256)
        wrapped = self._wrap(secret, message_id.encode())
        transaction.run("write_message_key", message_id=message_id, key_id=self._newest, wrapped=wrapped)
        return secret

    def _wrap(self, secret: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapping[self._newest].encrypt(nonce, secret, bound)

    def _unwrap(self, key_id: str, wrapped: bytes, bound: bytes) -> bytes:
        key = self._wrapping.get(key_id)
        if key is None:
            raise VaultError("the master key that it was sealed with is not configured")
        try:
            return key.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
        except InvalidTag:
            raise VaultError("the master key is another one, or the wrapped key was changed") from None


def _seal(key: AESGCM, text: str, bound: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return PREFIX + urlsafe_b64encode(nonce + key.encrypt(nonce, text.encode(), bound)).decode()


def _open(key: AESGCM, text: str, bound: bytes) -> str:
    try:
        raw = urlsafe_b64decode(text[len(PREFIX) :])
        return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound).decode()
    except (InvalidTag, ValueError):
        raise VaultError("a sealed field was changed, or belongs elsewhere") from None


def _bound(message_id: str, field: str) -> bytes:
    return f"{message_id}|{field}".encode()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"postroom " + purpose).derive(secret)

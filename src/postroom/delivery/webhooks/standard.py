"""Standard Webhooks 1.0 (also Svix's headers): signing and verifying, and events in our own vocabulary.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

Signed is `id.timestamp.body`, over the body's bytes; the header lists signatures, of which one has to fit one of our
keys: a shared secret (`whsec_`, `v1`: HMAC-SHA256) or the sender's public key (`whpk_`, `v1a`: Ed25519).
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from postroom.delivery.errors import ConfigurationError, SignatureInvalid
from postroom.delivery.events import DeliveryEvent
from postroom.delivery.webhooks.generic import events_of
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import ReceiverOptions, check_time, need_secrets, read_json, same
from postroom.kit.clock import Clock

PREFIX: Final = "whsec_"
PUBLIC_PREFIX: Final = "whpk_"
BYTES: Final = range(24, 65)
Key: TypeAlias = bytes | Ed25519PublicKey
SIGNATURES_MAX: Final = 32


def secret_of(text: str) -> bytes:
    """The key in `whsec_...`; raises ConfigurationError."""
    try:
        found = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        found = b""
    if len(found) not in BYTES:
        raise ConfigurationError("a secret is whsec_ and 24 to 64 bytes in Base64", key="secret")
    return found


def key_of(text: str) -> Key:
    """The key in `whsec_...` or `whpk_...`; raises ConfigurationError."""
    if not text.startswith(PUBLIC_PREFIX):
        return secret_of(text)
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(text.removeprefix(PUBLIC_PREFIX), validate=True))
    except ValueError:
        raise ConfigurationError("a public key is whpk_ and 32 bytes in Base64", key="secret") from None


def sign(secret: bytes, id_: str, stamp: str, body: bytes) -> str:
    """One signature of the header: `v1,...`."""
    digest = hmac.digest(secret, f"{id_}.{stamp}.".encode() + body, "sha256")
    return f"v1,{b64encode(digest).decode()}"


def verify(received: Received, keys: Sequence[Key], clock: Clock) -> None:
    """Raise SignatureInvalid unless a signature is right and its time is near."""
    headers = received.headers
    for kind in ("webhook", "svix"):
        if f"{kind}-signature" in headers:
            break
    id_, stamp = headers.get(f"{kind}-id", ""), headers.get(f"{kind}-timestamp", "")
    given = headers.get(f"{kind}-signature", "").split(" ")[:SIGNATURES_MAX]
    if not id_ or not stamp:
        raise SignatureInvalid("the headers of the signature are missing")
    check_time(stamp, clock)
    right = [sign(key, id_, stamp, received.body) for key in keys if isinstance(key, bytes)]
    if any(same(one, other) for one in given for other in right):
        return
    signed = f"{id_}.{stamp}.".encode("utf-8", "replace") + received.body
    public = [key for key in keys if not isinstance(key, bytes)]
    if not any(_is_signed(key, one, signed) for key in public for one in given):
        raise SignatureInvalid("no signature is right")


def _is_signed(key: Ed25519PublicKey, given: str, signed: bytes) -> bool:
    version, _, signature = given.partition(",")
    try:
        key.verify(b64decode(signature, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return version == "v1a"


class StandardReceiver:
    """Events in our own vocabulary, signed by Standard Webhooks."""

    name = "standard"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._keys = [key_of(text) for text in need_secrets(options, self.name)]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        verify(received, self._keys, self._clock)

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        id_ = received.headers.get("webhook-id") or received.headers.get("svix-id") or ""
        return events_of(read_json(received.body), self.name, id_)


def make(options: ReceiverOptions, clock: Clock) -> StandardReceiver:
    """For the table of receivers."""
    return StandardReceiver(options, clock)

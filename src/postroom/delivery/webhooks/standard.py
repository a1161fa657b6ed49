"""Standard Webhooks 1.0 (also Svix's headers): signing and verifying, and events in our own vocabulary.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

Signed is `id.timestamp.body`, over the body's bytes; the header lists signatures, of which one has to fit one of our
secrets.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from postroom.delivery.errors import ConfigurationError, SignatureInvalid
from postroom.delivery.events import DeliveryEvent
from postroom.delivery.webhooks.generic import events_of
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import ReceiverOptions, check_time, need_secrets, read_json, same
from postroom.kit.clock import Clock

PREFIX: Final = "whsec_"
BYTES: Final = range(24, 65)
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


def sign(secret: bytes, id_: str, stamp: str, body: bytes) -> str:
    """One signature of the header: `v1,...`."""
    digest = hmac.digest(secret, f"{id_}.{stamp}.".encode() + body, "sha256")
    return f"v1,{b64encode(digest).decode()}"


def verify(received: Received, secrets: Sequence[bytes], clock: Clock) -> None:
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
    right = [sign(secret, id_, stamp, received.body) for secret in secrets]
    if not any(same(one, other) for one in given for other in right):
        raise SignatureInvalid("no signature is right")


class StandardReceiver:
    """Events in our own vocabulary, signed by Standard Webhooks."""

    name = "standard"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = [secret_of(text) for text in need_secrets(options, self.name)]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        verify(received, self._secrets, self._clock)

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        id_ = received.headers.get("webhook-id") or received.headers.get("svix-id") or ""
        return events_of(read_json(received.body), self.name, id_)


def make(options: ReceiverOptions, clock: Clock) -> StandardReceiver:
    """For the table of receivers."""
    return StandardReceiver(options, clock)

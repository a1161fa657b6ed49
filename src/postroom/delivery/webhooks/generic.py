"""The reference system's form: HMAC-SHA256 over the body, and events in our own vocabulary.

    X-Webhook-Signature: sha256=HEX           over the body
    X-Webhook-Signature: t=SECONDS,v1=HEX     over `SECONDS.body`, within five minutes

The body is an event or a list of them: one of `attemptId`, `messageId` and `providerId`; `status`; perhaps `eventId`,
`timestamp`, `bounce` and `code`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from postroom.delivery.errors import SignatureInvalid, WebhookMalformed
from postroom.delivery.events import Bounce, DeliveryEvent, EventKind
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    check_time,
    need_secrets,
    need_text,
    object_in,
    read_json,
    same,
    seconds_in,
    text_in,
)
from postroom.jobs.models import Moment
from postroom.kit.clock import Clock, to_us

HEADER: Final = "x-webhook-signature"
EVENTS_MAX: Final = 1000
SIGNATURES_MAX: Final = 32
WORDS: Final = {
    "bounce": EventKind.BOUNCED,
    "cancelled": EventKind.CANCELED,
    "undelivered": EventKind.BOUNCED,
}
"""Other words for kinds of events."""


BOUNCES: Final[dict[str, Bounce]] = {"hard": "hard", "soft": "soft", "blocked": "blocked"}


class GenericReceiver:
    """See the module."""

    name = "delivery"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = [secret.encode() for secret in need_secrets(options, "generic")]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        given = received.headers.get(HEADER, "")
        pairs = [part.strip().partition("=")[::2] for part in given.split(",", SIGNATURES_MAX) if "=" in part]
        parts = dict(pairs)
        if "sha256" in parts:
            signed, version = received.body, "sha256"
        elif "t" in parts and "v1" in parts:
            check_time(parts["t"], self._clock)
            signed, version = f"{parts['t']}.".encode() + received.body, "v1"
        else:
            raise SignatureInvalid("X-Webhook-Signature is missing; it has sha256=HEX or t=SECONDS,v1=HEX")
        # A sender that changes its secret signs with both.
        signatures = [value.lower() for name, value in pairs if name == version]
        right = [hmac.digest(secret, signed, "sha256").hex() for secret in self._secrets]
        if not any(same(one, other) for one in right for other in signatures):
            raise SignatureInvalid("the signature is not right")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        return events_of(read_json(received.body), "generic", "")


def events_of(value: Any, provider: str, id_: str) -> list[DeliveryEvent]:
    """Events in our own vocabulary; `id_` names them where they do not name themselves. Raises WebhookMalformed."""
    entries = value if isinstance(value, list) else [value]
    if len(entries) > EVENTS_MAX:
        raise WebhookMalformed(f"there may be at most {EVENTS_MAX} events")
    return [
        _event(object_in(entry, "an event"), provider, id_, number) for number, entry in enumerate(entries)
    ]


def _event(entry: dict[str, Any], provider: str, id_: str, number: int) -> DeliveryEvent:
    status = need_text(entry, "status").lower()
    try:
        kind = WORDS.get(status) or EventKind(status)
    except ValueError:
        raise WebhookMalformed(f"status must be one of: {', '.join(EventKind)}") from None
    message_id = text_in(entry, "messageId")
    own = text_in(entry, "attemptId")
    theirs = text_in(entry, "providerId")
    if message_id is None and own is None and theirs is None:
        raise WebhookMalformed("attemptId, messageId or providerId is missing")
    told = text_in(entry, "bounce")
    bounce = BOUNCES.get(told) if told is not None else None
    if told is not None and bounce is None:
        raise WebhookMalformed("bounce must be hard, soft or blocked")
    event_id = text_in(entry, "eventId") or (f"{id_}:{number}" if id_ else _digest(entry))
    return DeliveryEvent(
        kind=kind, provider=provider, event_id=event_id, attempt_id=own, provider_message_id=theirs,
        rfc_message_id=f"pr.{message_id}@" if message_id is not None else None, at_us=_moment(entry),
        code=text_in(entry, "code"), bounce=bounce or ("hard" if kind is EventKind.BOUNCED else None),
        suppress=kind is EventKind.BOUNCED and bounce in (None, "hard"),
    )  # fmt: skip


def _digest(entry: dict[str, Any]) -> str:
    """Names an event that does not name itself: the same words are the same event."""
    return hashlib.sha256(msgspec.json.encode(entry, order="sorted")).hexdigest()


def _moment(entry: dict[str, Any]) -> int | None:
    given = entry.get("timestamp")
    if isinstance(given, str):
        try:
            return to_us(msgspec.convert(given, Moment))
        except (msgspec.ValidationError, ValueError):
            return None
    return seconds_in(entry, "timestamp")


def make(options: ReceiverOptions, clock: Clock) -> GenericReceiver:
    """For the table of receivers."""
    return GenericReceiver(options, clock)

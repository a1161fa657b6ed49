"""SendGrid's event webhook: ECDSA over the time and the body's bytes, an array of events.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event . Verified before anything is read: trimming the
body's last line break would break it. Duplicates are frequent; `sg_event_id` is the same over retries.
"""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postroom.delivery.errors import ConfigurationError, SignatureInvalid, WebhookMalformed
from postroom.delivery.events import Bounce, DeliveryEvent, EventKind, with_opt_out
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    check_time,
    enhanced_in,
    need_secrets,
    need_text,
    object_in,
    read_json,
    seconds_in,
    text_in,
)
from postroom.kit.clock import Clock

KINDS: Final = {
    "processed": EventKind.QUEUED, "deferred": EventKind.DEFERRED, "delivered": EventKind.DELIVERED,
    "bounce": EventKind.BOUNCED, "blocked": EventKind.BOUNCED, "dropped": EventKind.REJECTED,
    "spamreport": EventKind.COMPLAINED, "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED, "group_resubscribe": EventKind.RESUBSCRIBED,
    "open": EventKind.OPENED, "click": EventKind.CLICKED,
}  # fmt: skip

BAD_ADDRESS: Final = frozenset({"Bounced Address", "Invalid"})
OPTED_OUT: Final = frozenset({"Unsubscribed Address", "Spam Reporting Address"})
"""Reasons of `dropped`: what SendGrid's own lists know of the address."""


class SendGridReceiver:
    """See the module."""

    name = "sendgrid"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._keys = [_key(text) for text in need_secrets(options, self.name)]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        stamp = received.headers.get("x-twilio-email-event-webhook-timestamp", "")
        given = received.headers.get("x-twilio-email-event-webhook-signature", "")
        check_time(stamp, self._clock)
        try:
            signature = b64decode(given, validate=True)
        except ValueError:
            raise SignatureInvalid("the signature is not Base64") from None
        for key in self._keys:
            try:
                key.verify(signature, stamp.encode() + received.body, ECDSA(SHA256()))
            except InvalidSignature:
                continue
            return
        raise SignatureInvalid("the signature is not right")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port; kinds that are not known are passed over."""
        entries = read_json(received.body)
        if not isinstance(entries, list):
            raise WebhookMalformed("the body must be a list of events")
        found = (self._events(object_in(entry, "an event")) for entry in entries)
        return [event for events in found for event in events]

    def _events(self, entry: dict[str, Any]) -> list[DeliveryEvent]:
        event = self._event(entry)
        if event is None:
            return []
        dropped = event.kind is EventKind.REJECTED
        return with_opt_out(event) if dropped and entry.get("reason") in OPTED_OUT else [event]

    def _event(self, entry: dict[str, Any]) -> DeliveryEvent | None:
        kind = KINDS.get(need_text(entry, "event"))
        if kind is None:
            return None
        bounce: Bounce | None = None
        if kind is EventKind.BOUNCED:
            blocked = "blocked" in (entry.get("type"), entry.get("event"))
            bounce = "blocked" if blocked else "hard"
        bad = kind is EventKind.REJECTED and entry.get("reason") in BAD_ADDRESS
        sent = text_in(entry, "sg_message_id")
        return DeliveryEvent(
            kind=kind, provider=self.name, event_id=need_text(entry, "sg_event_id"),
            attempt_id=text_in(entry, "pr_attempt"), at_us=seconds_in(entry, "timestamp"),
            provider_message_id=sent.partition(".")[0] if sent is not None else None,
            code=enhanced_in(entry, "status"), bounce=bounce, suppress=bad or bounce == "hard",
            recipient=text_in(entry, "email"),
            rfc_message_id=(text_in(entry, "smtp-id") or "").strip("<>") or None,
        )  # fmt: skip


def _key(text: str) -> EllipticCurvePublicKey:
    try:
        key = load_der_public_key(b64decode(text, validate=True))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ConfigurationError(
            "the secret is SendGrid's verification key, in Base64 without PEM lines", key="sendgrid"
        )
    return key


def make(options: ReceiverOptions, clock: Clock) -> SendGridReceiver:
    """For the table of receivers."""
    return SendGridReceiver(options, clock)

"""SES's events, which come by SNS: RSA over listed fields, with a certificate of Amazon's.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html . Any AWS account can send a validly signed
message, so topics are listed first. A request to confirm a subscription of a listed topic is confirmed.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from postroom.delivery.errors import ConfigurationError, SignatureInvalid, WebhookMalformed
from postroom.delivery.events import Bounce, DeliveryEvent, EventKind
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    check_time,
    enhanced_in,
    moment_in,
    object_in,
    read_json,
    text_in,
)
from postroom.kit.clock import Clock

HOST: Final = re.compile(r"sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?")
SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
    "UnsubscribeConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
KINDS: Final = {
    "Send": EventKind.SENT, "Delivery": EventKind.DELIVERED, "DeliveryDelay": EventKind.DEFERRED,
    "Bounce": EventKind.BOUNCED, "Reject": EventKind.REJECTED, "Rendering Failure": EventKind.FAILED,
    "RenderingFailure": EventKind.FAILED, "Complaint": EventKind.COMPLAINED, "Subscription": EventKind.UNSUBSCRIBED,
    "Open": EventKind.OPENED, "Click": EventKind.CLICKED,
}  # fmt: skip
DETAILS: Final = {
    "Send": "send", "Delivery": "delivery", "DeliveryDelay": "deliveryDelay", "Bounce": "bounce",
    "Complaint": "complaint", "Open": "open", "Click": "click",
}  # fmt: skip
"""The part of an event that tells more, by its type."""
DAYS_MAX: Final = 4
"""SNS goes on trying for longer than five minutes, so the window is wide; duplicates are known by MessageId."""


class SesReceiver:
    """See the module."""

    name = "ses"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        if not options.topics or options.fetch is None:
            raise ConfigurationError("the webhook ses needs the ARNs of its topics", key="webhook ses")
        self._topics = frozenset(options.topics)
        self._fetch = options.fetch
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}

    async def verify(self, received: Received) -> None:
        """See the port."""
        envelope = _envelope(received)
        if str(envelope.get("TopicArn")) not in self._topics:
            raise SignatureInvalid("the topic is not one of ours")
        names = SIGNED.get(str(envelope.get("Type")))
        if names is None:
            raise SignatureInvalid("the type of the message is not a known one")
        lines = [f"{name}\n{envelope[name]}\n" for name in names if name in envelope]
        algorithm = SHA256() if str(envelope.get("SignatureVersion")) == "2" else SHA1()  # noqa: S303 - SNS's version 1
        key = await self._key(str(envelope.get("SigningCertURL", "")))
        try:
            signature = b64decode(str(envelope.get("Signature", "")), validate=True)
            key.verify(signature, "".join(lines).encode("utf-8", "replace"), PKCS1v15(), algorithm)
        except (InvalidSignature, ValueError):
            raise SignatureInvalid("the signature is not right") from None
        self._check_age(str(envelope.get("Timestamp", "")))

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port; a confirmation has none."""
        envelope = _envelope(received)
        if envelope.get("Type") != "Notification":
            return ()
        event = object_in(read_json(str(envelope.get("Message", "")).encode()), "Message")
        type_ = str(event.get("eventType") or event.get("notificationType"))
        kind, detail = KINDS.get(type_), event.get(DETAILS.get(type_, ""))
        mail = event.get("mail")
        if kind is None or not isinstance(mail, dict):
            return ()
        tags, bounce = mail.get("tags"), _bounce(event) if kind is EventKind.BOUNCED else None
        attempt = tags.get("pr_attempt") if isinstance(tags, dict) else None
        to = mail.get("destination")
        return [
            DeliveryEvent(
                kind=kind, provider=self.name, event_id=str(envelope.get("MessageId")),
                attempt_id=str(attempt[0]) if isinstance(attempt, list) and attempt else None,
                provider_message_id=text_in(mail, "messageId"), bounce=bounce, suppress=bounce == "hard",
                code=_code(detail), at_us=moment_in(detail, "timestamp") or moment_in(mail, "timestamp"),
                recipient=to[0] if isinstance(to, list) and to and isinstance(to[0], str) else None,
            )
        ]  # fmt: skip

    def to_confirm(self, received: Received) -> str | None:
        """The URL that confirms a subscription, if the (verified) message asks for that; never on another host."""
        envelope = _envelope(received)
        url = str(envelope.get("SubscribeURL", ""))
        asks = envelope.get("Type") == "SubscriptionConfirmation"
        return url if asks and _amazons(url) else None

    async def confirm(self, url: str) -> None:
        """Call it."""
        await self._fetch(url)

    async def _key(self, url: str) -> RSAPublicKey:
        if not _amazons(url) or not urlsplit(url).path.endswith(".pem"):
            raise SignatureInvalid("the certificate is not at an address of Amazon's")
        if url not in self._keys:
            try:
                key = load_pem_x509_certificate(await self._fetch(url)).public_key()
            except (ValueError, OSError):
                raise SignatureInvalid("the certificate cannot be had") from None
            if not isinstance(key, RSAPublicKey):
                raise SignatureInvalid("the certificate has no RSA key")
            self._keys[url] = key
        return self._keys[url]

    def _check_age(self, text: str) -> None:
        try:
            moment = msgspec.convert(text, datetime)
        except msgspec.ValidationError:
            raise SignatureInvalid("the signed time is missing or is none") from None
        age = self._clock.now_us() / 1e6 - moment.astimezone(UTC).timestamp()
        if age > DAYS_MAX * 86_400:
            raise SignatureInvalid("the signed time is too old")
        if age < 0:
            check_time(str(int(moment.timestamp())), self._clock)


def _bounce(event: dict[str, Any]) -> Bounce:
    detail = event.get("bounce")
    permanent = isinstance(detail, dict) and detail.get("bounceType") == "Permanent"
    return "hard" if permanent else "soft"


def _code(detail: Any) -> str | None:
    """The far server's status, of a bounce or a delay."""
    if not isinstance(detail, dict):
        return None
    told = detail.get("bouncedRecipients") or detail.get("delayedRecipients")
    return enhanced_in(told[0], "status") if isinstance(told, list) and told else None


def _amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and parts.port in (None, 443)
            and HOST.fullmatch(parts.hostname or "") is not None
        )
    except ValueError:
        return False


def _envelope(received: Received) -> dict[str, Any]:
    try:
        return object_in(read_json(received.body))
    except WebhookMalformed as error:
        raise SignatureInvalid(str(error)) from None


def make(options: ReceiverOptions, clock: Clock) -> SesReceiver:
    """For the table of receivers."""
    return SesReceiver(options, clock)

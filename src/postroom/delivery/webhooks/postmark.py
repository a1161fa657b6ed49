"""Postmark's webhooks. They are not signed: Basic auth in the URL stands in, compared in constant time.

https://postmarkapp.com/developer/webhooks/webhooks-overview . A secret is `USER:PASSWORD`.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from postroom.delivery.errors import SignatureInvalid
from postroom.delivery.events import Bounce, DeliveryEvent, EventKind
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    moment_in,
    need_secrets,
    need_text,
    object_in,
    read_json,
    same,
    text_in,
)
from postroom.kit.clock import Clock

HARD: Final = frozenset({"HardBounce", "BadEmailAddress"})
BLOCKED: Final = frozenset({"Blocked", "DMARCPolicy"})
DEFERRED: Final = frozenset({"Transient", "DnsError"})
COMPLAINTS: Final = frozenset({"SpamNotification"})
FAILURES: Final = frozenset({"TemplateRenderingFailed", "SMTPApiError"})


class PostmarkReceiver:
    """See the module."""

    name = "postmark"

    def __init__(self, options: ReceiverOptions) -> None:
        self._headers = [
            f"Basic {b64encode(text.encode()).decode()}" for text in need_secrets(options, self.name)
        ]

    async def verify(self, received: Received) -> None:
        """See the port."""
        given = received.headers.get("authorization", "")
        if not any(same(given, right) for right in self._headers):
            raise SignatureInvalid("the user or the password in the webhook's URL is not right")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port; kinds that are not about a message are passed over."""
        entry = object_in(read_json(received.body))
        kind, bounce = _kind(entry)
        if kind is None:
            return ()
        sent = text_in(entry, "MessageID")
        recipient = text_in(entry, "Recipient") or text_in(entry, "Email")
        when = next(
            (
                text_in(entry, name)
                for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
                if name in entry
            ),
            "",
        )
        metadata = entry.get("Metadata")
        attempt = metadata.get("pr_attempt") if isinstance(metadata, dict) else None
        return [
            DeliveryEvent(
                kind=kind, provider=self.name, event_id=f"{entry.get('RecordType')}:{sent}:{entry.get('ID', '')}:{when}",
                attempt_id=attempt if isinstance(attempt, str) else None, provider_message_id=sent, bounce=bounce,
                at_us=moment_in({"at": when}, "at"), suppress=bounce == "hard", recipient=recipient,
            )
        ]  # fmt: skip


def _kind(entry: dict[str, Any]) -> tuple[EventKind | None, Bounce | None]:
    match need_text(entry, "RecordType"):
        case "Delivery":
            return EventKind.DELIVERED, None
        case "SpamComplaint":
            return EventKind.COMPLAINED, None
        case "Open":
            return EventKind.OPENED, None
        case "Click":
            return EventKind.CLICKED, None
        case "SubscriptionChange":
            suppressed = bool(entry.get("SuppressSending"))
            return EventKind.UNSUBSCRIBED if suppressed else EventKind.RESUBSCRIBED, None
        case "Bounce":
            return _bounced(text_in(entry, "Type") or "")
        case _:
            return None, None


def _bounced(type_: str) -> tuple[EventKind, Bounce | None]:
    if type_ in DEFERRED:
        return EventKind.DEFERRED, None
    if type_ in COMPLAINTS:
        return EventKind.COMPLAINED, None
    if type_ in FAILURES:
        return EventKind.FAILED, None
    return EventKind.BOUNCED, "hard" if type_ in HARD else "blocked" if type_ in BLOCKED else "soft"


def make(options: ReceiverOptions, clock: Clock) -> PostmarkReceiver:
    """For the table of receivers."""
    return PostmarkReceiver(options)

"""What happened to a message after a provider took it, in one vocabulary for all of them.

Owns the value type. What a provider calls these things stands in its receiver (`postroom.delivery.webhooks`) and in
its lookup; what follows for a message is decided elsewhere. After anymail's normalised events.
"""

from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias

import msgspec

from postroom.kit.redact import Discreet


class EventKind(StrEnum):
    """What a provider reports."""

    QUEUED = "queued"
    """Taken over, not yet handed on."""
    SENT = "sent"
    """Handed to the carrier or the next mail server."""
    DEFERRED = "deferred"
    """The other side asked to come again; the provider does."""
    DELIVERED = "delivered"
    """In the mailbox or on the handset, as far as the provider can tell."""
    BOUNCED = "bounced"
    """Came back; `bounce` says whether for good."""
    REJECTED = "rejected"
    """The provider took it and then refused to send it (its suppression list, a virus)."""
    FAILED = "failed"
    """It could not be sent, for technical reasons."""
    CANCELED = "canceled"
    """Called back before it left."""
    COMPLAINED = "complained"
    """The person called it spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The person wants no more of these."""
    RESUBSCRIBED = "resubscribed"
    """The person wants them again."""
    OPENED = "opened"
    CLICKED = "clicked"
    READ = "read"
    """A read receipt of the channel itself."""
    INBOUND = "inbound"
    """The person wrote to us; `text` has the words."""


Bounce: TypeAlias = Literal["hard", "soft", "blocked"]
"""hard: the address is bad; soft: full or unreachable for now; blocked: refused by policy, not the address's fault."""


class DeliveryEvent(Discreet, frozen=True, kw_only=True):
    """One thing that happened, as a provider told it. Its repr shows no recipient and no text."""

    shown: ClassVar[tuple[str, ...]] = ("kind", "provider", "event_id", "attempt_id", "code")

    kind: EventKind
    provider: str
    """The scheme of the provider that tells it: `twilio`, `sendgrid`."""
    event_id: str
    """The same when the same event is told again: what duplicates are known by."""
    attempt_id: str | None = None
    """Our correlation token, if it came back."""
    provider_message_id: str | None = None
    rfc_message_id: str | None = None
    """Our own Message-ID without angle brackets, where the event repeats it."""
    at_us: int | None = None
    """When it happened by the provider's clock, microseconds since 1970 UTC; None where it does not say."""
    code: str | None = None
    """The provider's or the far server's code (`550 5.1.1`, `30005`); never its words."""
    bounce: Bounce | None = None
    suppress: bool = False
    """The address is bad and must not be written to again."""
    recipient: str | None = None
    """Whom it is about."""
    text: str | None = None
    """The words of an inbound message."""


def with_opt_out(event: DeliveryEvent) -> list[DeliveryEvent]:
    """The event, and a second one: what was refused was refused because the person has opted out."""
    wish = msgspec.structs.replace(
        event,
        kind=EventKind.UNSUBSCRIBED,
        event_id=f"{event.event_id}:opted-out",
        bounce=None,
        suppress=False,
    )
    return [event, wish]

"""Resend's webhooks, signed with Svix's headers. https://resend.com/docs/dashboard/webhooks/event-types"""

from collections.abc import Sequence
from typing import Final

from postroom.delivery.events import Bounce, DeliveryEvent, EventKind, with_opt_out
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    moment_in,
    need_secrets,
    need_text,
    object_in,
    read_json,
    text_in,
)
from postroom.delivery.webhooks.standard import secret_of, verify
from postroom.kit.clock import Clock

KINDS: Final = {
    "email.scheduled": EventKind.QUEUED, "email.sent": EventKind.SENT, "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DEFERRED, "email.bounced": EventKind.BOUNCED,
    "email.suppressed": EventKind.REJECTED, "email.failed": EventKind.FAILED,
    "email.complained": EventKind.COMPLAINED, "email.opened": EventKind.OPENED, "email.clicked": EventKind.CLICKED,
}  # fmt: skip


class ResendReceiver:
    """See the module."""

    name = "resend"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = [secret_of(text) for text in need_secrets(options, self.name)]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        verify(received, self._secrets, self._clock)

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port; kinds that are not about a message are passed over."""
        event = object_in(read_json(received.body))
        kind = KINDS.get(need_text(event, "type"))
        if kind is None:
            return ()
        data = object_in(event.get("data"), "data")
        detail = data.get("bounce")
        bounce: Bounce | None = None
        if kind is EventKind.BOUNCED:
            bounce = "hard" if isinstance(detail, dict) and detail.get("type") == "Permanent" else "soft"
        to = data.get("to")
        recipient = to[0] if isinstance(to, list) and to and isinstance(to[0], str) else None
        suppressed = data.get("suppressed")
        why = suppressed.get("reason") if isinstance(suppressed, dict) else None
        found = DeliveryEvent(
            kind=kind, provider=self.name, event_id=received.headers.get("svix-id", ""),
            provider_message_id=text_in(data, "email_id"), bounce=bounce, at_us=moment_in(event, "created_at"),
            suppress=bounce == "hard" or why == "previous_bounce", recipient=recipient,
        )  # fmt: skip
        return with_opt_out(found) if why == "previous_complaint" else [found]


def make(options: ReceiverOptions, clock: Clock) -> ResendReceiver:
    """For the table of receivers."""
    return ResendReceiver(options, clock)

"""Mailgun's webhooks: HMAC-SHA256 over a time and a token, which is therefore remembered as the event's id.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks . What is signed does not cover the event: the
connection's TLS protects that.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final

from postroom.delivery.errors import SignatureInvalid
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
    same,
    seconds_in,
    text_in,
)
from postroom.kit.clock import Clock

KINDS: Final = {
    "accepted": EventKind.QUEUED, "delivered": EventKind.DELIVERED, "rejected": EventKind.REJECTED,
    "complained": EventKind.COMPLAINED, "unsubscribed": EventKind.UNSUBSCRIBED, "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
}  # fmt: skip

OPTED_OUT: Final = frozenset({"suppress-unsubscribe", "suppress-complaint"})
"""Reasons why Mailgun sent nothing: its own lists know that the person wants no more."""


class MailgunReceiver:
    """See the module."""

    name = "mailgun"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = [secret.encode() for secret in need_secrets(options, self.name)]
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        signature = _signature(received)
        stamp, token = str(signature.get("timestamp", "")), str(signature.get("token", ""))
        check_time(stamp, self._clock)
        given = str(signature.get("signature", ""))
        signed = (stamp + token).encode("utf-8", "replace")
        if not token or not any(
            same(hmac.digest(one, signed, "sha256").hex(), given) for one in self._secrets
        ):
            raise SignatureInvalid("the signature is not right")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port; kinds that are not about a message are passed over."""
        data = object_in(object_in(read_json(received.body)).get("event-data"), "event-data")
        event = need_text(data, "event")
        bounce: Bounce | None = None
        kind, why = KINDS.get(event), str(data.get("reason", ""))
        if event == "failed":
            permanent = data.get("severity") == "permanent"
            suppressed = why.startswith("suppress-")
            kind = (
                EventKind.REJECTED if suppressed else EventKind.BOUNCED if permanent else EventKind.DEFERRED
            )
            bounce = "hard" if kind is EventKind.BOUNCED else None
        if kind is None:
            return ()
        variables, message = data.get("user-variables"), data.get("message")
        headers = message.get("headers") if isinstance(message, dict) else None
        sent = text_in(headers, "message-id") if isinstance(headers, dict) else None
        status = data.get("delivery-status")
        found = DeliveryEvent(
            kind=kind, provider=self.name, event_id=str(_signature(received).get("token", "")),
            attempt_id=text_in(variables, "pr_attempt") if isinstance(variables, dict) else None,
            provider_message_id=sent, rfc_message_id=sent, at_us=seconds_in(data, "timestamp"), bounce=bounce,
            code=_code(status), suppress=bounce == "hard" or why == "suppress-bounce",
            recipient=text_in(data, "recipient"),
        )  # fmt: skip
        return with_opt_out(found) if why in OPTED_OUT else [found]


def _code(status: Any) -> str | None:
    """The far server's code; the enhanced one says more, where there is one."""
    if not isinstance(status, dict):
        return None
    return enhanced_in(status, "enhanced-code") or text_in(status, "code")


def _signature(received: Received) -> dict[str, Any]:
    try:
        found = object_in(read_json(received.body)).get("signature")
    except ValueError:
        raise SignatureInvalid("the body has no signature") from None
    if not isinstance(found, dict):
        raise SignatureInvalid("the body has no signature")
    return found


def make(options: ReceiverOptions, clock: Clock) -> MailgunReceiver:
    """For the table of receivers."""
    return MailgunReceiver(options, clock)

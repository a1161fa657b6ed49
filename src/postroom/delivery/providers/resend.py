"""Resend: an `Email` in, an `Outcome` out; with an idempotency key, so that a repeated call sends nothing twice.

https://resend.com/docs/api-reference/emails/send-email . Keys are remembered for 24 hours; the same key with another
content is refused, so nothing of a request may change between tries.
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from postroom.delivery.address import parse_address, parse_mailbox
from postroom.delivery.codes.table import ANY, Row, classify
from postroom.delivery.errors import LookupFailed, Unsendable
from postroom.delivery.events import DeliveryEvent, EventKind
from postroom.delivery.http import HttpClient, Loss, Reply, retry_after_seconds
from postroom.delivery.mime import message_id
from postroom.delivery.outcome import Failover, Outcome, Verdict
from postroom.delivery.provider import Channel, Email, Envelope, Provider, ProviderContext, Sought
from postroom.delivery.vendor import Vendor, base_of, needed, read_url
from postroom.kit.clock import Clock

HOST: Final = "https://api.resend.com"
OPTIONS: Final = frozenset({"from"})
IDEMPOTENCY_SECONDS: Final = 86_400.0
KEY_CHARS_MAX: Final = 256

_PERMANENT, _TEMPORARY, _CONFIG = Verdict.REJECTED_PERMANENT, Verdict.REJECTED_TEMPORARY, Verdict.CONFIG_ERROR
ROWS: Final[tuple[Row, ...]] = (
    Row("401", ANY, _CONFIG, "the key is not accepted"),
    Row("403", ANY, _CONFIG, "the key may not send, or the domain is not verified"),
    Row("404", ANY, _CONFIG, "there is no such service at that address"),
    Row("405", ANY, _CONFIG, "there is no such service at that address"),
    Row("409", "invalid_idempotent_request", _PERMANENT, "the same key was used with another content"),
    # Not "certainly unsent": the first call may be accepted yet, so nobody else may have the message.
    Row("409", "concurrent_idempotent_requests", Verdict.UNKNOWN, "the first call is still running"),
    Row("429", "daily_quota_exceeded", _TEMPORARY, "the day's quota is used up", False, Failover.NOW),
    Row("429", "monthly_quota_exceeded", _TEMPORARY, "the month's quota is used up", False, Failover.NOW),
    Row("429", ANY, Verdict.THROTTLED, "too many calls at once"),
    Row("451", ANY, _PERMANENT, "refused for security reasons"),
    Row("4xx", ANY, _PERMANENT, "the provider does not accept the request"),
)
NAMES: Final = frozenset(row.code for row in ROWS) | {
    "validation_error", "missing_required_field", "invalid_from_address", "invalid_parameter", "invalid_attachment",
    "missing_api_key", "restricted_api_key", "invalid_api_key", "rate_limit_exceeded", "application_error",
    "internal_server_error", "security_error", "invalid_idempotency_key",
}  # fmt: skip
"""Names of errors that may be shown; any other might be somebody's words."""
EVENTS: Final = {
    "queued": EventKind.QUEUED, "scheduled": EventKind.QUEUED, "sent": EventKind.SENT,
    "delivery_delayed": EventKind.DEFERRED, "delivered": EventKind.DELIVERED, "opened": EventKind.DELIVERED,
    "clicked": EventKind.DELIVERED, "bounced": EventKind.BOUNCED, "complained": EventKind.DELIVERED,
    "failed": EventKind.FAILED, "suppressed": EventKind.REJECTED, "canceled": EventKind.CANCELED,
}  # fmt: skip
"""`last_event` of a lookup."""


class ResendProvider(Vendor):
    """Email through Resend."""

    channel: Channel = "email"
    idempotency_seconds: float = IDEMPOTENCY_SECONDS

    def __init__(
        self,
        key: str,
        *,
        sender: str | None = None,
        base: str = HOST,
        rows: tuple[Row, ...] = (),
        name: str = "resend",
        clock: Clock,
        client: HttpClient | None = None,
    ) -> None:
        super().__init__(name=name, client=client)
        self._url = f"{base}/emails"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._sender = sender
        self._rows = (*rows, *ROWS)
        self._clock = clock

    async def send(self, envelope: Envelope) -> Outcome:
        """One POST; see `Provider.send`."""
        if not isinstance(envelope, Email):
            raise TypeError(f"the provider {self.name} sends Email, not {type(envelope).__name__}")
        try:
            body = msgspec.json.encode(self._body(envelope))
        except Unsendable as error:
            return Outcome(Verdict.REJECTED_PERMANENT, detail=str(error), provider=self.name)
        headers, key = dict(self._headers), envelope.idempotency_key[:KEY_CHARS_MAX]
        if key:
            headers["idempotency-key"] = key
        reply = await self._client.call("POST", self._url, headers=headers, content=body)
        return replace(self._outcome(reply), provider=self.name)

    async def find(self, sought: Sought) -> DeliveryEvent | None:
        """By the provider's id; where that was never told, the key is the way to be sure."""
        if sought.provider_message_id is None:
            raise LookupFailed("the provider's id is not known")
        url = f"{self._url}/{sought.provider_message_id}"
        reply = await self._client.call("GET", url, headers=self._headers)
        if isinstance(reply, Loss):
            raise LookupFailed("the provider cannot be reached")
        if reply.status == 404:
            return None
        answer = reply.json()
        last = answer.get("last_event") if isinstance(answer, dict) else None
        kind = EVENTS.get(str(last))
        if reply.status != 200 or kind is None:
            raise LookupFailed(f"the provider answered {reply.status}")
        return DeliveryEvent(
            kind=kind, provider="resend", event_id=f"{sought.provider_message_id}:{last}",
            attempt_id=sought.attempt_id, provider_message_id=sought.provider_message_id,
            bounce="hard" if kind is EventKind.BOUNCED else None,
        )  # fmt: skip

    def _body(self, email: Email) -> dict[str, Any]:
        author = parse_mailbox(email.sender or self._sender or "", "sender")
        body: dict[str, Any] = {
            "from": author.header,
            "to": [parse_address(email.recipient, "recipient").spec],
            "subject": email.subject,
            "text": email.content,
            "headers": {"Message-ID": message_id(email.message_id, author.domain), **email.headers},
            # Constant over the tries under one key, unlike the attempt's token.
            "tags": [{"name": "pr_message", "value": _tag(email.message_id)}],
        }
        if email.html is not None:
            body["html"] = email.html
        return body

    def _outcome(self, reply: Reply | Loss) -> Outcome:
        if isinstance(reply, Loss):
            return reply.outcome()
        answer = reply.json()
        known = answer if isinstance(answer, dict) else {}
        if reply.status == 200 and isinstance(known.get("id"), str):
            return Outcome(Verdict.ACCEPTED, "200", "accepted", provider_message_id=known["id"])
        if reply.status < 300:
            return Outcome(
                Verdict.UNKNOWN, str(reply.status), "the provider's answer does not fit the question"
            )
        name = str(known.get("name", ""))
        now_us = self._clock.now_us()
        reset = reply.headers.get("ratelimit-reset", "")
        wait = retry_after_seconds(reply.headers, now_us) or (float(reset) if reset.isdigit() else None)
        return classify(self._rows, reply.status, name if name in NAMES else "", retry_after_seconds=wait)


def _tag(text: str) -> str:
    """A tag's value: ASCII letters, digits, underscore and hyphen."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in text)[:KEY_CHARS_MAX]


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`resend://KEY@?from=Name%20<a@b>`. Raises ConfigurationError."""
    given = read_url(url, "resend", OPTIONS)
    key = needed(given.user or context.credentials.get("RESEND_API_KEY"), "resend", "a key", "RESEND_API_KEY")
    return ResendProvider(
        key, sender=given.options.get("from"), base=base_of(given.options, HOST), name=name, clock=clock
    )

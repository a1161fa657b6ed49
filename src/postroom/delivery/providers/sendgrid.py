"""SendGrid v3: an `Email` in, an `Outcome` out.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send . It answers 202 without a body and has no
idempotency key, so an answer that is lost leaves the outcome unknown until an event brings `pr_attempt` back. It may not
carry health data in any context.
"""

from email.utils import parseaddr
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from postroom.delivery.address import parse_address, parse_mailbox
from postroom.delivery.codes.table import ANY, Row, classify
from postroom.delivery.errors import ConfigurationError, Unsendable
from postroom.delivery.http import HttpClient, Loss, Reply, retry_after_seconds
from postroom.delivery.mime import message_id
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Email, Envelope, Provider, ProviderContext
from postroom.delivery.vendor import Vendor, base_of, needed, read_url
from postroom.kit.clock import MICROSECOND, Clock

HOSTS: Final = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
OPTIONS: Final = frozenset({"from", "region"})

_CONFIG = Verdict.CONFIG_ERROR
ROWS: Final[tuple[Row, ...]] = (
    Row("401", ANY, _CONFIG, "the key is not accepted"),
    Row("403", ANY, _CONFIG, "the key may not send, or the sender is not verified"),
    Row("404", ANY, _CONFIG, "there is no such service at that address"),
    Row("405", ANY, _CONFIG, "there is no such service at that address"),
    Row("413", ANY, Verdict.REJECTED_PERMANENT, "the message is too large"),
    Row("429", ANY, Verdict.THROTTLED, "too many calls at once"),
    Row("4xx", ANY, Verdict.REJECTED_PERMANENT, "the provider does not accept the request"),
    Row(
        "5xx",
        ANY,
        Verdict.UNKNOWN,
        "the provider failed after it had the request, so it may have been accepted",
    ),
)


class SendGridProvider(Vendor):
    """Email through SendGrid."""

    channel: Channel = "email"

    def __init__(
        self,
        key: str,
        *,
        sender: str | None = None,
        base: str = HOSTS["global"],
        rows: tuple[Row, ...] = (),
        name: str = "sendgrid",
        clock: Clock,
        client: HttpClient | None = None,
    ) -> None:
        super().__init__(name=name, client=client)
        self._url = f"{base}/v3/mail/send"
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
        reply = await self._client.call("POST", self._url, headers=self._headers, content=body)
        return replace(self._outcome(reply), provider=self.name)

    def _body(self, email: Email) -> dict[str, Any]:
        author = parse_mailbox(email.sender or self._sender or "", "sender")
        recipient = parse_address(email.recipient, "recipient")
        display, _ = parseaddr(email.sender or self._sender or "")
        content = [{"type": "text/plain", "value": email.content}]
        if email.html is not None:
            content.append({"type": "text/html", "value": email.html})
        return {
            "personalizations": [{"to": [{"email": recipient.spec}]}],
            "from": {"email": author.spec, **({"name": display} if display else {})},
            "subject": email.subject,
            "content": content,
            "headers": {"Message-ID": message_id(email.message_id, author.domain), **email.headers},
            # Kept by the vendor beyond the account's life and open to its staff: ids of ours and nothing else.
            "custom_args": {"pr_attempt": email.attempt_id, "pr_message": email.message_id},
        }

    def _outcome(self, reply: Reply | Loss) -> Outcome:
        if isinstance(reply, Loss):
            return reply.outcome()
        if reply.status == 202:
            return Outcome(
                Verdict.ACCEPTED,
                "202",
                "accepted",
                provider_message_id=reply.headers.get("x-message-id") or None,
            )
        if reply.status == 200:
            detail = "the sandbox mode is on: validated and not sent"
            return Outcome(Verdict.CONFIG_ERROR, "200", detail)
        return classify(self._rows, reply.status, "", retry_after_seconds=self._wait(reply))

    def _wait(self, reply: Reply) -> float | None:
        reset = reply.headers.get("x-ratelimit-reset", "")
        now_us = self._clock.now_us()
        if reset.isdigit():
            return max(1.0, int(reset) - now_us / MICROSECOND)
        return retry_after_seconds(reply.headers, now_us)


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`sendgrid://KEY@?from=Name%20<a@b>&region=eu`. Raises ConfigurationError."""
    given = read_url(url, "sendgrid", OPTIONS)
    region = given.options.get("region", "global")
    if region not in HOSTS:
        raise ConfigurationError(f"region must be one of: {', '.join(HOSTS)}", key="region")
    key = needed(
        given.user or context.credentials.get("SENDGRID_API_KEY"), "sendgrid", "a key", "SENDGRID_API_KEY"
    )
    return SendGridProvider(
        key,
        sender=given.options.get("from"),
        base=base_of(given.options, HOSTS[region]),
        name=name,
        clock=clock,
    )

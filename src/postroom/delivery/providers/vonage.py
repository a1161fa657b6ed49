"""Vonage SMS: a `Text` in, an `Outcome` out. It answers 200 also when it refuses: the parts' statuses tell.

https://developer.vonage.com/en/api/sms . There is no lookup and no idempotency key; the delivery receipt brings our
`client-ref` back.
"""

from typing import Any, Final
from urllib.parse import urlencode

from msgspec.structs import replace

from postroom.delivery.codes.table import Row, classify
from postroom.delivery.codes.vonage import PART
from postroom.delivery.errors import ConfigurationError
from postroom.delivery.http import HttpClient, Loss, Reply, retry_after_seconds
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Envelope, Provider, ProviderContext, Text
from postroom.delivery.vendor import Vendor, base_of, needed, read_url
from postroom.kit.clock import Clock

HOST: Final = "https://rest.nexmo.com"
OPTIONS: Final = frozenset({"from", "ttl_seconds"})
CALLBACK_PATH: Final = "/webhooks/vonage"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
TTL_SECONDS: Final = (20, 604_800)


class VonageProvider(Vendor):
    """SMS through Vonage."""

    channel: Channel = "sms"

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        sender: str,
        base: str = HOST,
        ttl_seconds: int | None = None,
        callback_url: str | None = None,
        rows: tuple[Row, ...] = (),
        name: str = "vonage",
        clock: Clock,
        client: HttpClient | None = None,
    ) -> None:
        super().__init__(name=name, client=client)
        self._credentials = {"api_key": key, "api_secret": secret}
        self._url = f"{base}/sms/json"
        self._sender = sender
        self._ttl_seconds = ttl_seconds
        self._callback_url = callback_url
        self._rows = (*rows, *PART)
        self._clock = clock

    async def send(self, envelope: Envelope) -> Outcome:
        """One POST; see `Provider.send`."""
        if not isinstance(envelope, Text):
            raise TypeError(f"the provider {self.name} sends Text, not {type(envelope).__name__}")
        form = {
            **self._credentials, "from": envelope.sender or self._sender, "to": envelope.recipient.lstrip("+"),
            "text": envelope.content, "client-ref": envelope.attempt_id,
        }  # fmt: skip
        if not envelope.content.isascii():
            form["type"] = "unicode"
        if self._ttl_seconds is not None:
            form["ttl"] = str(self._ttl_seconds * 1000)
        if self._callback_url is not None:
            form["callback"] = self._callback_url
        reply = await self._client.call("POST", self._url, headers=FORM, content=urlencode(form).encode())
        return replace(self._outcome(reply), provider=self.name)

    def _outcome(self, reply: Reply | Loss) -> Outcome:
        if isinstance(reply, Loss):
            return reply.outcome()
        wait = retry_after_seconds(reply.headers, self._clock.now_us())
        if reply.status != 200:
            return classify(self._rows, reply.status, "", retry_after_seconds=wait)
        parts = _parts(reply.json())
        statuses = [str(part.get("status", "")) for part in parts]
        if not parts:
            return Outcome(Verdict.UNKNOWN, "200", "the provider's answer does not fit the question")
        first = next((part.get("message-id") for part in parts if part.get("message-id")), None)
        refused = [status for status in statuses if status != "0"]
        if not refused:
            return Outcome(Verdict.ACCEPTED, "0", "accepted", provider_message_id=first)
        if len(refused) < len(statuses):
            detail = "only some parts of the message were accepted"
            return Outcome(Verdict.UNKNOWN, f"200 {refused[0]}", detail, provider_message_id=first)
        return classify(self._rows, 200, refused[0], retry_after_seconds=wait)


def _parts(answer: Any) -> list[dict[str, Any]]:
    parts = answer.get("messages") if isinstance(answer, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`vonage://KEY:SECRET@?from=NAME`. Raises ConfigurationError."""
    given = read_url(url, "vonage", OPTIONS)
    ttl = given.options.get("ttl_seconds")
    low, high = TTL_SECONDS
    if ttl is not None and not (ttl.isdigit() and low <= int(ttl) <= high):
        raise ConfigurationError(
            f"ttl_seconds must be a whole number from {low} to {high:,}", key="ttl_seconds"
        )
    credentials = context.credentials
    return VonageProvider(
        needed(given.user or credentials.get("VONAGE_API_KEY"), "vonage", "a key", "VONAGE_API_KEY"),
        needed(given.password or credentials.get("VONAGE_API_SECRET"), "vonage", "a secret", "VONAGE_API_SECRET"),
        sender=needed(given.options.get("from"), "vonage", "a sender", "from="), base=base_of(given.options, HOST),
        ttl_seconds=None if ttl is None else int(ttl), name=name, clock=clock,
        callback_url=f"{context.public_url}{CALLBACK_PATH}" if context.public_url else None,
    )  # fmt: skip

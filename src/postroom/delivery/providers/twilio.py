"""Twilio Messages: a `Text` in, an `Outcome` out; and asking what became of one.

https://www.twilio.com/docs/messaging/api/message-resource . There is no idempotency key, so an answer that is lost leaves
the outcome unknown: the callback brings our token back (it is in the callback's URL), or `find` asks.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from msgspec.structs import replace

from postroom.delivery.codes.table import Row, classify
from postroom.delivery.codes.twilio import CALL, callback_class
from postroom.delivery.errors import ConfigurationError, LookupFailed
from postroom.delivery.events import DeliveryEvent
from postroom.delivery.http import HttpClient, Loss, Reply, retry_after_seconds
from postroom.delivery.outcome import Outcome, Verdict
from postroom.delivery.provider import Channel, Envelope, Provider, ProviderContext, Sought, Text
from postroom.delivery.vendor import Vendor, base_of, needed, read_url
from postroom.kit.clock import MICROSECOND, Clock, to_datetime, to_us

HOST: Final = "https://api.twilio.com"
OPTIONS: Final = frozenset(
    {"from", "messaging_service", "validity_seconds", "content_retention", "address_retention"}
)
CALLBACK_PATH: Final = "/webhooks/twilio"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
LISTED_MAX: Final = 50
SLACK_SECONDS: Final = 120
"""How far the vendor's clock may be off ours when a call is looked for."""


class TwilioProvider(Vendor):
    """SMS through Twilio."""

    channel: Channel = "sms"

    def __init__(
        self,
        account: str,
        secret: str,
        *,
        sender: Mapping[str, str],
        base: str = HOST,
        extra: Mapping[str, str] | None = None,
        callback_url: str | None = None,
        rows: tuple[Row, ...] = (),
        name: str = "twilio",
        clock: Clock,
        client: HttpClient | None = None,
    ) -> None:
        """`sender` is `{"From": ...}` or `{"MessagingServiceSid": ...}`; `rows` come before the table of codes."""
        super().__init__(name=name, client=client)
        self._auth = (account, secret)
        self._messages = f"{base}/2010-04-01/Accounts/{account}/Messages"
        self._sender = dict(sender)
        self._extra = dict(extra or {})
        self._callback_url = callback_url
        self._rows = (*rows, *CALL)
        self._clock = clock

    async def send(self, envelope: Envelope) -> Outcome:
        """One POST; see `Provider.send`."""
        if not isinstance(envelope, Text):
            raise TypeError(f"the provider {self.name} sends Text, not {type(envelope).__name__}")
        form = {"To": envelope.recipient, "Body": envelope.content, **self._extra}
        form |= {"From": envelope.sender} if envelope.sender else self._sender
        if self._callback_url is not None:
            form["StatusCallback"] = f"{self._callback_url}?{urlencode({'pr': envelope.attempt_id})}"
        reply = await self._client.call(
            "POST", f"{self._messages}.json", headers=FORM, content=urlencode(form).encode(), auth=self._auth
        )
        return replace(self._outcome(reply), provider=self.name)

    async def find(self, sought: Sought) -> DeliveryEvent | None:
        """By SID where it is known, else among the latest messages to the same number with the same text."""
        if sought.provider_message_id is not None:
            found = await self._get(f"{self._messages}/{sought.provider_message_id}.json")
            return None if found is None else self._event(found, sought)
        if not isinstance(sought.envelope, Text):
            raise LookupFailed("what was sent is not known any more")
        day = to_datetime(sought.since_us - SLACK_SECONDS * MICROSECOND).astimezone(UTC).date().isoformat()
        query = urlencode({"To": sought.envelope.recipient, "DateSent>": day, "PageSize": LISTED_MAX})
        listed = await self._get(f"{self._messages}.json?{query}")
        for one in (listed or {}).get("messages", ()):
            if (
                one.get("body") == sought.envelope.content
                and _made_us(one) >= sought.since_us - SLACK_SECONDS * MICROSECOND
            ):
                return self._event(one, sought)
        return None

    def _outcome(self, reply: Reply | Loss) -> Outcome:
        if isinstance(reply, Loss):
            return reply.outcome()
        answer = reply.json()
        known = answer if isinstance(answer, dict) else {}
        if reply.status == 201 and isinstance(known.get("sid"), str):
            return Outcome(Verdict.ACCEPTED, "201", "accepted", provider_message_id=known["sid"])
        if 200 <= reply.status < 300:
            return Outcome(
                Verdict.UNKNOWN, str(reply.status), "the provider's answer does not fit the question"
            )
        code = known.get("code")
        wait = retry_after_seconds(reply.headers, self._clock.now_us())
        return classify(
            self._rows, reply.status, str(code) if isinstance(code, int) else "", retry_after_seconds=wait
        )

    async def _get(self, url: str) -> dict[str, Any] | None:
        reply = await self._client.call("GET", url, auth=self._auth)
        if isinstance(reply, Loss):
            raise LookupFailed("the provider cannot be reached")
        if reply.status == 404:
            return None
        answer = reply.json()
        if reply.status != 200 or not isinstance(answer, dict):
            raise LookupFailed(f"the provider answered {reply.status}")
        return answer

    def _event(self, message: Mapping[str, Any], sought: Sought) -> DeliveryEvent | None:
        status, error = str(message.get("status", "")), message.get("error_code")
        code = str(error) if error else None
        meaning = callback_class(code, status)
        if meaning is None:
            raise LookupFailed("the provider names a status that is not known here")
        sid = str(message.get("sid", ""))
        return DeliveryEvent(
            kind=meaning.kind, provider="twilio", event_id=f"{sid}:{status}", attempt_id=sought.attempt_id,
            provider_message_id=sid, code=code, bounce=meaning.bounce, suppress=meaning.suppress,
        )  # fmt: skip


def _made_us(message: Mapping[str, Any]) -> int:
    try:
        return to_us(parsedate_to_datetime(str(message.get("date_created"))))
    except (ValueError, TypeError):
        return to_us(datetime(1970, 1, 1, tzinfo=UTC))


def from_url(url: str, *, channel: Channel, name: str, clock: Clock, context: ProviderContext) -> Provider:
    """`twilio://SID:TOKEN@?from=+1...` or `?messaging_service=MG...`. Raises ConfigurationError."""
    given = read_url(url, "twilio", OPTIONS)
    account = needed(
        given.user or context.credentials.get("TWILIO_ACCOUNT_SID"),
        "twilio",
        "an account",
        "TWILIO_ACCOUNT_SID",
    )
    secret = needed(
        given.password or context.credentials.get("TWILIO_AUTH_TOKEN"),
        "twilio",
        "a token",
        "TWILIO_AUTH_TOKEN",
    )
    options = given.options
    if ("from" in options) == ("messaging_service" in options):
        raise ConfigurationError("twilio:// needs either from= or messaging_service=", key="from")
    # A plus that was not escaped arrives as a blank.
    sender = (
        {"From": options["from"].replace(" ", "+")}
        if "from" in options
        else {"MessagingServiceSid": options["messaging_service"]}
    )
    names = {
        "validity_seconds": "ValidityPeriod", "content_retention": "ContentRetention",
        "address_retention": "AddressRetention",
    }  # fmt: skip
    return TwilioProvider(
        account, secret, sender=sender, base=base_of(options, HOST), name=name, clock=clock,
        extra={names[option]: options[option] for option in names if option in options},
        callback_url=f"{context.public_url}{CALLBACK_PATH}" if context.public_url else None,
    )  # fmt: skip

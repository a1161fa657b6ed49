"""Twilio's callbacks and inbound messages.

https://www.twilio.com/docs/usage/webhooks/webhooks-security . Signed are the URL as it was called and, for a form, its
sorted parameters; for JSON, the URL with `bodySHA256`. There is no time in the signature, so a replay is known by its id.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from postroom.delivery.codes.twilio import callback_class
from postroom.delivery.errors import SignatureInvalid, WebhookMalformed
from postroom.delivery.events import DeliveryEvent, EventKind, with_opt_out
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import ReceiverOptions, need_secrets, same
from postroom.kit.clock import Clock

PORTS: Final = {"https": 443, "http": 80}
PARAMETERS_MAX: Final = 1000


class TwilioReceiver:
    """See the module."""

    name = "twilio"

    def __init__(self, options: ReceiverOptions) -> None:
        self._secrets = [secret.encode() for secret in need_secrets(options, self.name)]

    async def verify(self, received: Received) -> None:
        """See the port."""
        given = received.headers.get("x-twilio-signature", "")
        if not given:
            raise SignatureInvalid("X-Twilio-Signature is missing")
        digest = received.query.get("bodySHA256")
        if digest is not None:
            if not same(hashlib.sha256(received.body).hexdigest(), digest.lower()):
                raise SignatureInvalid("the body is not the one that was signed")
            signed = ""
        else:
            signed = _sorted(_form(received))
        for url in _spellings(received.url):
            for secret in self._secrets:
                right = b64encode(
                    hmac.digest(secret, (url + signed).encode("utf-8", "replace"), "sha1")
                ).decode()
                if same(right, given):
                    return
        raise SignatureInvalid("the signature is not right; is POSTROOM_PUBLIC_URL what Twilio calls?")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        form = dict(_form(received))
        sid = form.get("MessageSid") or form.get("SmsSid")
        if not sid:
            raise WebhookMalformed("MessageSid is missing")
        status = form.get("MessageStatus") or form.get("SmsStatus") or ""
        if "Body" in form and status in ("", "received", "receiving"):
            return [
                DeliveryEvent(
                    kind=EventKind.INBOUND, provider=self.name, event_id=f"{sid}:inbound", provider_message_id=sid,
                    recipient=form.get("From"), text=form.get("OptOutType") or form["Body"],
                )
            ]  # fmt: skip
        code = form.get("ErrorCode") or None
        meaning = callback_class(code, status)
        if meaning is None:
            raise WebhookMalformed("MessageStatus is not a known one")
        event = DeliveryEvent(
            kind=meaning.kind, provider=self.name, event_id=f"{sid}:{status}",
            attempt_id=received.query.get("pr") or None, provider_message_id=sid, code=code,
            bounce=meaning.bounce, suppress=meaning.suppress, recipient=form.get("To"),
        )  # fmt: skip
        return with_opt_out(event) if meaning.opted_out else [event]


def _form(received: Received) -> list[tuple[str, str]]:
    try:
        return parse_qsl(received.body.decode(), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return []


def _sorted(form: list[tuple[str, str]]) -> str:
    """Names in order, each with its values, of which equal ones count once."""
    values: dict[str, set[str]] = {}
    for name, value in form:
        values.setdefault(name, set()).add(value)
    return "".join(name + value for name in sorted(values) for value in sorted(values[name]))


def _spellings(url: str) -> tuple[str, str]:
    """The URL with and without the port, since both are signed in practice."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = parts.port or PORTS.get(parts.scheme, 443)
    return urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=f"{host}:{port}"))


def make(options: ReceiverOptions, clock: Clock) -> TwilioReceiver:
    """For the table of receivers."""
    return TwilioReceiver(options)

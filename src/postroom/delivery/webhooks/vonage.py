"""Vonage's delivery receipts and message statuses, as signed webhooks: a JWT whose claims hold the body's digest.

https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
"""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import jwt

from postroom.delivery.codes.vonage import callback_class
from postroom.delivery.errors import SignatureInvalid, WebhookMalformed
from postroom.delivery.events import DeliveryEvent, EventKind
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    check_time,
    need_secrets,
    object_in,
    read_json,
    same,
    text_in,
)
from postroom.kit.clock import Clock


class VonageReceiver:
    """See the module."""

    name = "vonage"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = need_secrets(options, self.name)
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        kind, _, token = received.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise SignatureInvalid("the webhook is not signed; turn signed webhooks on")
        claims = self._claims(token.strip())
        check_time(str(claims.get("iat", "")), self._clock)
        if not same(str(claims.get("payload_hash", "")), hashlib.sha256(received.body).hexdigest()):
            raise SignatureInvalid("the body is not the one that was signed")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        entry = _entry(received)
        sent = text_in(entry, "message_uuid") or text_in(entry, "messageId") or text_in(entry, "message-id")
        if sent is None:
            raise WebhookMalformed("messageId is missing")
        status = (text_in(entry, "status") or "").lower()
        if not status and text_in(entry, "text") is not None:
            return [
                DeliveryEvent(
                    kind=EventKind.INBOUND, provider=self.name, event_id=f"{sent}:inbound", provider_message_id=sent,
                    recipient=_number(text_in(entry, "msisdn") or text_in(entry, "from")), text=text_in(entry, "text"),
                )
            ]  # fmt: skip
        code = text_in(entry, "err-code")
        meaning = callback_class(None if code == "0" else code, status)
        if meaning is None:
            raise WebhookMalformed("status is not a known one")
        return [
            DeliveryEvent(
                kind=meaning.kind, provider=self.name, event_id=f"{sent}:{status}",
                attempt_id=text_in(entry, "client-ref") or text_in(entry, "client_ref"), provider_message_id=sent,
                code=None if code == "0" else code, bounce=meaning.bounce, suppress=meaning.suppress,
                recipient=_number(text_in(entry, "msisdn") or text_in(entry, "to")),
            )
        ]  # fmt: skip

    def _claims(self, token: str) -> dict[str, Any]:
        for secret in self._secrets:
            try:
                return jwt.decode(
                    token, secret, algorithms=["HS256"],
                    options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
                )  # fmt: skip
            except jwt.PyJWTError:
                continue
        raise SignatureInvalid("the signature is not right")


def _entry(received: Received) -> dict[str, Any]:
    if received.method == "GET":
        return dict(received.query)
    if received.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
    return object_in(read_json(received.body))


def _number(text: str | None) -> str | None:
    return f"+{text.lstrip('+')}" if text else None


def make(options: ReceiverOptions, clock: Clock) -> VonageReceiver:
    """For the table of receivers."""
    return VonageReceiver(options, clock)
